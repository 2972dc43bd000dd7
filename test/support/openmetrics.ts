/** A metric family as a scraper reads it. */
export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/su;
const NUMBER = /^(?:[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]Inf|NaN)$/i;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ['_total'],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
};

/**
 * Reads OpenMetrics 1.0.0 as strictly as a scraper may, as far as we write it (no units, exemplars or time stamps).
 *
 * @throws Error naming the line that is wrong
 * @see https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
 */
export function parseOpenMetrics(text: string): ReadonlyMap<string, Family> {
  const lines = text.split('\n');
  must(lines.pop() === '' && lines.pop() === '# EOF', 'the end is not "# EOF" and a line feed');
  const families = new Map<string, Family & { samples: Sample[] }>();
  let current: { name: string; help: string; type: string; samples: Sample[] } | null = null;
  let help: { name: string; text: string } | null = null;
  for (const line of lines) {
    const [, keyword = '', name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/s.exec(line) ?? [];
    if (keyword === 'HELP') {
      must(NAME.test(name) && !families.has(name), `a family twice, or of a bad name: ${line}`);
      help = { name, text: rest };
      continue;
    }
    if (keyword === 'TYPE') {
      must(help?.name === name && rest in SUFFIXES, `a type without its help, or none we know: ${line}`);
      must(rest !== 'counter' || !name.endsWith('_total'), `a counter's name holds _total: ${line}`);
      current = { name, help: help.text, type: rest, samples: [] };
      families.set(name, current);
      help = null;
      continue;
    }
    must(help === null && current !== null, `a line that is of no family: ${JSON.stringify(line)}`);
    const sample = parseSample(line);
    const { name: family, type, samples } = current;
    must(
      (SUFFIXES[type] ?? []).some((suffix) => sample.name === family + suffix),
      `${sample.name} is not of ${family}`,
    );
    samples.push(sample);
  }
  must(help === null, 'help without a type at the end');
  for (const [name, family] of families) mustBeWhole(name, family);
  return families;
}

function parseSample(line: string): Sample {
  const [, name = '', inBraces = '', value = ''] = SAMPLE.exec(line) ?? [];
  must(name !== '' && NUMBER.test(value), `no sample: ${JSON.stringify(line)}`);
  const labels: Record<string, string> = {};
  let rest = inBraces;
  while (rest !== '') {
    const found = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,(?=.)|$)/su.exec(rest);
    must(found !== null, `no label: ${JSON.stringify(rest)}`);
    const [all, label = '', escaped = ''] = found;
    must(!Object.hasOwn(labels, label), `the label ${label} twice: ${line}`);
    labels[label] = escaped.replace(/\\(.)/gs, (_, one: string) => (one === 'n' ? '\n' : one));
    rest = rest.slice(all.length);
  }
  return { name, labels, value: Number(value.replace('Inf', 'Infinity')) };
}

/** No series twice; what counts is not negative; the buckets of a histogram are there, in order, and add up. */
function mustBeWhole(family: string, { type, samples }: Family): void {
  const keys = samples.map(({ name, labels }) => `${name} ${keyOf(labels)}`);
  must(new Set(keys).size === keys.length, `${family} has a series twice`);
  if (type === 'gauge') return;
  for (const { name, value } of samples) must(value >= 0, `${name} is ${value}`);
  if (type !== 'histogram') return;
  const of = (suffix: string) => samples.filter(({ name }) => name === family + suffix);
  for (const count of of('_count')) {
    const key = keyOf(count.labels);
    const buckets = of('_bucket').filter(({ labels: { le: _, ...others } }) => keyOf(others) === key);
    const bounds = buckets.map(({ labels }) => Number(labels['le']?.replace('Inf', 'Infinity')));
    must(isSorted(bounds) && bounds.at(-1) === Infinity, `${family}: bounds of ${key}: ${bounds.join()}`);
    must(isSorted(buckets.map(({ value }) => value)), `${family}: the buckets of ${key} fall`);
    must(buckets.at(-1)?.value === count.value, `${family}: the last bucket of ${key} is not its count`);
    must(
      of('_sum').some(({ labels }) => keyOf(labels) === key),
      `${family}: ${key} has no sum`,
    );
  }
}

function isSorted(numbers: readonly number[]): boolean {
  return numbers.every((one, index) => index === 0 || one >= (numbers[index - 1] ?? 0));
}

function keyOf(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(labels).sort());
}

function must(isSo: boolean, otherwise: string): asserts isSo {
  if (!isSo) throw new Error(otherwise);
}
