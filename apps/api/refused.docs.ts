import { refused } from './openapi/answers.js';
import type { Operation } from './openapi/operation.js';

export const getVpnStatus: Operation = {
  tag: 'Server',
  summary: 'Always refused: there are no VPNs here',
  deprecated: true,
  answers: { 500: refused('Rooter not available') },
};

export const exit: Operation = {
  tag: 'Server',
  summary: 'Always refused: there is no debug mode here',
  deprecated: true,
  answers: { 403: refused('This call can only be used in debug mode') },
};
