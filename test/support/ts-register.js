// Lets a process run the TypeScript sources: given to it as --import in NODE_OPTIONS (see ts-hooks.js).
import { register } from 'node:module';

register('./ts-hooks.js', import.meta.url);
