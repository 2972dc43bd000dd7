import { QueryFailedError } from 'typeorm';

/**
 * Errors of SQL states 08 (connection), 40 (conflict), 53 (resources) and 57P (shutdown and start); of SQLite, that it was
 * busy too long or could not write; of Node, that nobody answers at the address.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const AWAY =
  /^(08...|40...|53...|57P..|SQLITE_(BUSY|FULL|IOERR).*|ECONN\w+|EPIPE|ENOENT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ETIMEDOUT)$/;

/** What `pg` says without a code, and TypeORM of a connection that broke inside a transaction. */
const LOST = new RegExp(
  [
    '^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error',
    'Client was closed and is not queryable|Query runner already released|Transaction is not started yet)',
  ].join('|'),
);

/** The database could not be asked, or could not answer: the same may work in a moment. Not: it refused what was asked. */
export function isDatabaseAway(error: unknown): boolean {
  const cause: unknown = error instanceof QueryFailedError ? error.driverError : error;
  if (!(cause instanceof Error)) return false;
  const { code } = cause as NodeJS.ErrnoException;
  // Of files, too, ENOENT is said: those errors name a path, and the call that failed on it.
  const { syscall } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT' && syscall !== 'connect') return false;
  return code === undefined ? LOST.test(cause.message) : AWAY.test(code);
}
