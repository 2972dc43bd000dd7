import type { Registry } from 'prom-client';

/** What `Registry.getMetricsAsJSON()` gives of one metric, as prom-client can put several together again. */
export interface MetricJson {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: string;
  readonly values: readonly {
    readonly value: number;
    readonly labels: Readonly<Record<string, string | number>>;
    /** Of a part of a histogram. */
    readonly metricName?: string;
  }[];
}

export async function seriesOf(registry: Registry): Promise<readonly MetricJson[]> {
  return (await registry.getMetricsAsJSON()) as unknown as readonly MetricJson[];
}

/** What goes on growing whichever process counts it: it is added up, and kept when a process ends. */
export function isLasting({ type, values }: MetricJson): boolean {
  return type !== 'gauge' && !values.some(({ labels }) => 'worker' in labels);
}

/** What takes away again all that `metrics` add to a sum. */
export function negated(metrics: readonly MetricJson[]): readonly MetricJson[] {
  return metrics.filter(isLasting).map((metric) => ({
    ...metric,
    values: metric.values.map((one) => ({ ...one, value: -one.value })),
  }));
}
