import { Attachments, type World } from './attach.js';
import type { OwnQemuMachine } from './machine.js';
import { folderOf } from './parts.js';
import { planMachines } from './plan.js';
import { makeOwnTemplate, type OwnTemplateWanted } from './template.js';

export interface PrepareSetup extends World, Pick<OwnTemplateWanted, 'runDir' | 'waitReady' | 'onProgress'> {
  readonly machine: OwnQemuMachine;
  /** `path` of qemu.conf. */
  readonly path: string;
  readonly guestsDir: string;
}

/**
 * Makes the template of an operator's machine anew, by its snapshot or by booting it, and checks that it restores.
 * Returns the template's folder. Machines that run meanwhile keep the template that they were made of.
 *
 * @throws CONFIG_INVALID, SETUP_MISSING, TEMPLATE_FAILED
 */
export async function prepareMachine(setup: PrepareSetup, signal: AbortSignal): Promise<string> {
  const [plan] = await planMachines([setup.machine], setup.path, signal);
  if (plan === undefined) throw new Error('a machine without a plan');
  await using attachments = new Attachments(setup);
  const folder = folderOf(setup.guestsDir, setup.machine.name);
  const { runDir, waitReady } = setup;
  const onProgress = (line: string) => setup.onProgress(line);
  await makeOwnTemplate({ plan, folder, runDir, attachments, waitReady, onProgress }, signal);
  return folder;
}
