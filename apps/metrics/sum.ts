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

/** OpenMetrics 1.0.0 for who takes it at least as gladly as plain text. */
export function expositionFor(accept = ''): Exposition {
  const types = accept.split(',').map((one) => {
    const [type = '', ...parameters] = one.split(';').map((part) => part.trim().toLowerCase());
    const value = (name: string) => parameters.find((part) => part.startsWith(`${name}=`))?.split('=')[1];
    return { type, version: value('version'), q: Number(value('q') ?? 1) || 0 };
  });
  const open = types
    .filter(
      ({ type, version }) => type === 'application/openmetrics-text' && (version ?? '1.0.0') === '1.0.0',
    )
    .map(({ q }) => q);
  const plain = types.filter(({ type }) => type === 'text/plain').map(({ q }) => q);
  const [best, other] = [Math.max(0, ...open), Math.max(0, ...plain)];
  return best > 0 && best >= other ? 'openmetrics' : 'prometheus';
}
