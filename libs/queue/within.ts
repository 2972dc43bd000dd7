import { SandboxError } from '#domain/errors.js';

/** Milliseconds a command may take: one to a Redis that went away would wait until it is back. */
const ANSWER_MS = 2000;

/** @throws QUEUE_UNAVAILABLE when Redis has not answered in time */
export async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new SandboxError('QUEUE_UNAVAILABLE', `Redis did not answer in ${ANSWER_MS} ms`)),
      ANSWER_MS,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
