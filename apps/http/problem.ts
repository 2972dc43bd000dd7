import { HttpException } from '@nestjs/common';

/**
 * An answer `{"message": <text>}` with this status: clients compare some of these sentences. The code of a SandboxError
 * that is its cause is told to those who ask for codes.
 */
export function problem(status: number, message: string, cause?: unknown): HttpException {
  return new HttpException({ message }, status, cause === undefined ? {} : { cause });
}

/** What an unknown path is answered with. */
export const notFound = (): HttpException => problem(404, 'Not found');
