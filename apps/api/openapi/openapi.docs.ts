import { z } from 'zod';
import { content, json } from './answers.js';
import type { Operation } from './operation.js';

export const getDocument: Operation = {
  tag: 'Server',
  summary: 'This API, as OpenAPI 3.1',
  text: 'Made from the code of the server that answers: it has the paths listed here, and no others.',
  answers: { 200: json(z.looseObject({ openapi: z.string().meta({ examples: ['3.1.1'] }) })) },
};

export const getPage: Operation = {
  tag: 'Server',
  summary: 'This page',
  answers: { 200: content(['text/html; charset=utf-8'], 'One page without scripts, and nothing to load.') },
};
