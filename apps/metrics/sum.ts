import { AggregatorRegistry, Registry, type RegistryContentType } from 'prom-client';
import { seriesOf, type MetricJson } from './series.js';

export type Exposition = 'prometheus' | 'openmetrics';

export const CONTENT_TYPES = {
  prometheus: Registry.PROMETHEUS_CONTENT_TYPE,
  openmetrics: Registry.OPENMETRICS_CONTENT_TYPE,
} as const satisfies Record<Exposition, RegistryContentType>;

/** Series of the same name and labels become one: added up, or as their metric's `aggregator` says. */
export async function sum(parts: readonly (readonly MetricJson[])[]): Promise<readonly MetricJson[]> {
  return seriesOf(AggregatorRegistry.aggregate([...parts]));
}

/** The text that a scraper reads. */
export async function expose(parts: readonly (readonly MetricJson[])[], format: Exposition): Promise<string> {
  // In OpenMetrics a counter's name ends before `_total`. prom-client adds that to each series, but takes it off the name
  // only of metrics that it has not summed.
  const named = format === 'prometheus' ? parts : parts.map((metrics) => metrics.map(withoutTotal));
  const registry = AggregatorRegistry.aggregate<RegistryContentType>([...named]);
  registry.setContentType(CONTENT_TYPES[format]);
  return registry.metrics();
}

function withoutTotal(metric: MetricJson): MetricJson {
  return metric.type === 'counter' ? { ...metric, name: metric.name.replace(/_total$/, '') } : metric;
}
