import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sharp } from 'sharp';
import { ARTIFACTS } from '#domain/artifacts.js';
import { deadline } from '#domain/deadline.js';

/** As Cuckoo's guests do: one look a second, kept only when the picture changed. */
const INTERVAL_MS = 1000;
/** The first look waits until the sample has had a moment to show something. */
const FIRST_MS = 400;
const MAX_SHOTS = 300;
/** QEMU takes 20 ms; on a host under load, longer. */
const LOOK_TIMEOUT_MS = 5000;
const JPEG_QUALITY = 85;

export interface Camera {
  /** PPM (P6) or PNG. */
  screenshot(signal: AbortSignal): Promise<Buffer>;
}

/**
 * Takes screenshots into shots/NNNN.jpg until disposed, and a last one then. A picture that could not be taken is
 * told to `onFailure` once and costs nothing else: screenshots are no reason to fail an analysis.
 */
export function takeScreenshots(
  camera: Camera,
  dir: string,
  onFailure: (error: unknown) => void,
): AsyncDisposable {
  const stop = new AbortController();
  let last: Buffer | null = null;
  let taken = 0;

  const shoot = async (signal: AbortSignal): Promise<void> => {
    const picture = await camera.screenshot(signal);
    if (last?.equals(picture) === true || taken >= MAX_SHOTS) return;
    last = picture;
    const name = `${String((taken += 1)).padStart(4, '0')}.jpg`;
    await writeFile(join(dir, ARTIFACTS.shots, name), await toJpeg(picture), { flag: 'wx' });
  };
  const loop = async (): Promise<void> => {
    for (let wait = FIRST_MS; !stop.signal.aborted; wait = INTERVAL_MS) {
      const stopped = await sleep(wait, false, { signal: stop.signal }).catch(() => true);
      if (stopped) return;
      using limit = deadline(LOOK_TIMEOUT_MS, stop.signal);
      await shoot(limit.signal);
    }
  };
  const looping = loop().catch((error: unknown) => {
    if (!stop.signal.aborted) onFailure(error);
  });
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await looping;
      await shoot(AbortSignal.timeout(INTERVAL_MS)).catch((error: unknown) => {
        if (taken === 0) onFailure(error); // a machine that is gone has no last picture
      });
    },
  };
}

/** Of pictures that are asked for again: every fake machine shows the same one. */
const encoded = new WeakMap<Buffer, Promise<Buffer>>();

/** sharp reads PNG by itself; PPM it does not. */
function toJpeg(picture: Buffer): Promise<Buffer> {
  const known = encoded.get(picture);
  if (known !== undefined) return known;
  const made = pixels(picture).then((image) => image.jpeg({ quality: JPEG_QUALITY }).toBuffer());
  encoded.set(picture, made);
  return made;
}

/** P6: `P6 <width> <height> 255` separated by white space, one white space, then 3 bytes a pixel. */
async function pixels(picture: Buffer): Promise<Sharp> {
  // Loaded with the first picture: a tenth of the worker's start would be spent on it.
  const { default: sharp } = await import('sharp');
  const header = /^P6\s+(\d{1,5})\s+(\d{1,5})\s+255\s/.exec(picture.subarray(0, 64).toString('latin1'));
  if (header === null) return sharp(picture);
  const [whole, width = '0', height = '0'] = header;
  return sharp(picture.subarray(whole.length), {
    raw: { width: Number(width), height: Number(height), channels: 3 },
  });
}
