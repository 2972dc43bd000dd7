// Lets a process run the TypeScript sources: given to node as --import.
import { register } from 'node:module';

register('./ts-hooks.js', import.meta.url);
