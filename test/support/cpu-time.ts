/** Starts a stopwatch of processor time in milliseconds: how busy the machine is with other things does not count. */
export function cpuTime(): () => number {
  const start = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  };
}
