/** Messages one task may cause; a guest can cause anomalies as fast as it can connect. */
const MAX_ANOMALIES = 64;

/** Passes the first anomalies on, then one line that says that there are more. */
export function limitedReport(onAnomaly: (what: string) => void): (what: string) => void {
  let seen = 0;
  return (what) => {
    seen += 1;
    if (seen < MAX_ANOMALIES) onAnomaly(what);
    else if (seen === MAX_ANOMALIES)
      onAnomaly('too many anomalies: no more of them are reported for this task');
  };
}
