import { parentPort, workerData } from 'node:worker_threads';
import { unpack, type UnpackJob } from './unpack.js';

/** Bytes of 7-Zip's memory: archives may ask for a dictionary of gigabytes. */
const MEMORY_BYTES = 768 * 1024 * 1024;
const PAGE_BYTES = 65_536;

/** One thread, one container: whatever an archive does to the program that reads it ends with the thread. */
boundMemory();
parentPort?.postMessage(await unpack(workerData as UnpackJob));

/** The part of WebAssembly that is needed; Node's types do not have it. */
interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}
declare const WebAssembly: { readonly Memory: { readonly prototype: Memory } };

/** WebAssembly's memory is outside the heap that resourceLimits bound. 7-Zip is told that there is no more, and says so. */
function boundMemory(): void {
  const { prototype } = WebAssembly.Memory;
  const grow = Object.getOwnPropertyDescriptor(prototype, 'grow')?.value as Memory['grow'];
  prototype.grow = function (pages: number): number {
    if (this.buffer.byteLength + pages * PAGE_BYTES > MEMORY_BYTES) throw new RangeError('no more memory');
    return grow.call(this, pages);
  };
}
