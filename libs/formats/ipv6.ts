/** 16 bytes in the short form of RFC 5952. */
export function formatIPv6(raw: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => raw.readUInt16BE(i * 2).toString(16));
  const text = groups.join(':');
  const runs = [...text.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].map(([run]) => run);
  const longest = runs.reduce((best, run) => (zeros(run) > zeros(best) ? run : best), '');
  if (longest === '') return text;
  return text.replace(longest, '::').replace(/:{3,}/, '::');
}

function zeros(run: string): number {
  return run.split('0').length - 1;
}

/** The 16 bytes of an address that `isIPv6` accepts, without a zone. */
export function parseIPv6(text: string): Buffer {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const [, prefix = '', a, b, c, d] = dotted ?? [];
  const plain = dotted
    ? `${prefix}${((Number(a) << 8) | Number(b)).toString(16)}:${((Number(c) << 8) | Number(d)).toString(16)}`
    : text;
  const [head = '', tail] = plain.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const bytes = Buffer.alloc(16);
  front.forEach((group, i) => bytes.writeUInt16BE(parseInt(group, 16), i * 2));
  back.forEach((group, i) => bytes.writeUInt16BE(parseInt(group, 16), (8 - back.length + i) * 2));
  return bytes;
}
