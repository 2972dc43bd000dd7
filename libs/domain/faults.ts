/**
 * What a fake machine can do wrong, each as real ones do:
 *
 * - `slow_boot`: the agent answers seconds late
 * - `no_start`: the machine does not start
 * - `dead_agent`: it runs, and its agent never answers
 * - `hang`: the analyzer never tells that it has ended
 * - `crash`: the guest panics while the sample runs
 * - `flood`: it sends more than one task may store, over more connections than one may open
 * - `wrong_ip`: it sends its results from an address that is not its own
 * - `no_stop`: it does not power off when it is told to the first time
 */
export const FAULTS = [
  'slow_boot',
  'no_start',
  'dead_agent',
  'hang',
  'crash',
  'flood',
  'wrong_ip',
  'no_stop',
] as const;
export type Fault = (typeof FAULTS)[number];

export function isFault(text: string): text is Fault {
  return (FAULTS as readonly string[]).includes(text);
}
