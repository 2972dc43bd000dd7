import { z } from 'zod';

/** What PostgreSQL's `integer` holds. */
const MOST_ID = 2_147_483_647;
/** Characters of the reason of a failure that are kept. */
const REASON_LIMIT = 2000;
/** Errors of one task that are looked at. */
const MOST_ERRORS = 100;
/** Machines of one node. */
export const MOST_MACHINES = 1000;
/** Tags of one machine. */
export const MOST_TAGS = 64;

export const id = z.int().min(1).max(MOST_ID);
export const count = z.int().min(0);
/** Names and labels of machines, tags, statuses; more is no name. */
export const name = z.string().max(255).transform(printable);
/** A platform, or a kind of processor. */
export const kind = z.string().max(32).transform(printable);

/**
 * A node's words without what a terminal obeys or PostgreSQL does not take: control and format characters, halves of
 * characters, separators of lines. A blank stands for each run of them.
 */
export function printable(text: string): string {
  // Nearly all of them, and there may be many.
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]+/gu, ' ');
}

/** Why a task failed, of the errors it has; null when they say nothing. */
export function reasonOf(errors: unknown): string | null {
  if (!Array.isArray(errors)) return null;
  const texts = errors.slice(0, MOST_ERRORS).filter((one) => typeof one === 'string');
  const said = texts.map((text) => text.slice(0, REASON_LIMIT)).join('; ');
  return printable(said.slice(0, REASON_LIMIT)).trim() || null;
}

/**
 * A list of at most `most` elements. It is read up to the first one that is wrong: z.array would describe each of a
 * million, which a small answer can have.
 */
export function list<T>(element: z.ZodType<T>, most: number): z.ZodType<T[]> {
  return z.unknown().transform((value, context): T[] => {
    const wrong = (message: string, path: PropertyKey[] = []) => {
      context.addIssue({ code: 'custom', message, path });
      return z.NEVER;
    };
    if (!Array.isArray(value)) return wrong('it is no list');
    if (value.length > most) return wrong(`it has ${value.length} elements, more than ${most}`);
    const elements: T[] = [];
    for (const [at, one] of value.entries()) {
      const read = element.safeParse(one);
      if (!read.success) {
        const [issue] = read.error.issues;
        return wrong(issue?.message ?? 'it is wrong', [at, ...(issue?.path ?? [])]);
      }
      elements.push(read.data);
    }
    return elements;
  });
}
