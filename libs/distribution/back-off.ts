/** Milliseconds to wait after the `failures`-th failure in a row: `first`, twice as long each time, at most `longest`. */
export function backOff(failures: number, first: number, longest: number): number {
  return Math.min(longest, first * 2 ** (failures - 1));
}
