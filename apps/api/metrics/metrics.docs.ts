import { CONTENT_TYPES } from '../../metrics/sum.js';
import { content } from '../openapi/answers.js';
import type { Operation } from '../openapi/operation.js';

export const getMetrics: Operation = {
  tag: 'Server',
  summary: 'Metrics of the whole lab, for Prometheus',
  text: 'OpenMetrics for who asks for it with `Accept`, else the text format 0.0.4. Not counted by `rate_limit`.',
  answers: { 200: content(Object.values(CONTENT_TYPES)) },
};
