import { z } from 'zod';
import { SAMPLE_EXAMPLE } from '../tasks/task-examples.js';

/** Largest id a 32-bit column holds. */
const MAX_ID = 2_147_483_647;

const id = (description: string) =>
  z
    .int()
    .min(1)
    .max(MAX_ID)
    .meta({ description, examples: [1] });

export const taskId = id('The task. Some clients put it in brackets: `[1]` works too.');
export const sampleId = id('The sample.');
export const webhookId = id('The webhook.');
export const deliveryId = id('The entry in the list of deliveries.');

export const sha256 = z
  .string()
  .regex(/^[0-9a-fA-F]{64}$/)
  .meta({
    description: 'In any case.',
    examples: [SAMPLE_EXAMPLE.sha256],
  });

export const wait = z
  .number()
  .min(0)
  .max(60)
  .meta({
    description: 'Seconds to wait for a change before the answer.',
    examples: [30],
  });
