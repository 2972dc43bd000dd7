/**
 * The instant whose UTC fields are `asked`'s local ones. A submission's `clock` is a local time, and a guest's clock is
 * what its user reads off the wall: 10:00 that was asked for is 10:00 there, whatever the zones of the two.
 */
export function wallClock(asked: Date): Date {
  return new Date(asked.getTime() - asked.getTimezoneOffset() * 60_000);
}
