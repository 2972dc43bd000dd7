import { Gauge, Registry } from 'prom-client';
import type { Readiness } from '../http/readiness.js';
import { VERSION } from '../version.js';

type Labels = Readonly<Record<string, string>>;

/** Gauges of one scrape. */
export class Gauges {
  readonly registry = new Registry();

  /** Without any value there is no gauge: it would have a sample without labels, 0. */
  set(name: string, help: string, values: readonly (readonly [Labels, number])[]): void {
    if (values.length === 0) return;
    const labelNames = Object.keys(values[0]?.[0] ?? {});
    const gauge = new Gauge({ name, help, labelNames, registers: [this.registry] });
    for (const [labels, value] of values) gauge.set(labels, value);
  }

  one(name: string, help: string, value: number): void {
    this.set(name, help, [[{}, value]]);
  }
}

/** What GET /health/ready says. */
export async function healthGauges(readiness: Readiness, gauges: Gauges): Promise<void> {
  const { ready, checks, warnings } = await readiness.now();
  gauges.one('malkoha_ready', '1: a task would be taken and run now.', Number(ready));
  gauges.set(
    'malkoha_health',
    'What /health/ready looks at; 1: it is as it must be.',
    Object.entries(checks).map(([check, { ok }]) => [{ check }, Number(ok)]),
  );
  gauges.one('malkoha_health_warnings', 'What /health/ready warns of.', warnings.length);
  gauges.set('malkoha_build_info', 'Version of this API.', [[{ version: VERSION }, 1]]);
}

export function entriesOf(
  label: string,
  values: Readonly<Record<string, number>>,
): (readonly [Labels, number])[] {
  return Object.entries(values).map(([name, value]) => [{ [label]: name }, value]);
}
