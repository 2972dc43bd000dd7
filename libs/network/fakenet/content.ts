import { gzipSync } from 'node:zlib';

export interface Content {
  readonly type: string;
  readonly body: Buffer;
}

const PAGE = `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Welcome</title></head>
<body><h1>It works!</h1><p>This is the default page of this server.</p></body>
</html>
`;

/** Runs without doing anything: a dropper that executes what it fetched goes on to its next step. */
const SCRIPT = '#!/bin/sh\nexit 0\n';

/** 1×1 pixels each. */
const GIF = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=',
  'base64',
);

/** Nothing any loader takes for a program. */
const BINARY = Buffer.from(Array.from({ length: 512 }, (_, i) => (i * 73 + 41) & 0xff));

/** An end-of-central-directory record alone: a zip of nothing. */
const EMPTY_ZIP = Buffer.concat([Buffer.from('504b0506', 'hex'), Buffer.alloc(18)]);

const text = (type: string, body: string): Content => ({ type, body: Buffer.from(body) });
const html = text('text/html; charset=utf-8', PAGE);
const script = text('application/x-sh', SCRIPT);
const binary: Content = { type: 'application/octet-stream', body: BINARY };

const BY_EXTENSION = new Map<string, Content>([
  ...each(['html', 'htm', 'php', 'asp', 'aspx', 'jsp', 'cgi'], html),
  ...each(['sh', 'bash'], script),
  ...each(['py'], text('text/x-python', 'pass\n')),
  ...each(['pl', 'pm'], text('text/x-perl', '1;\n')),
  ...each(['rb'], text('text/x-ruby', 'nil\n')),
  ...each(['ps1', 'psm1', 'vbs', 'bat', 'cmd'], text('text/plain; charset=utf-8', '')),
  ...each(['js', 'mjs'], text('application/javascript', ';\n')),
  ...each(['json'], text('application/json', '{}\n')),
  ...each(['xml'], text('application/xml', '<?xml version="1.0"?><root/>\n')),
  ...each(['txt', 'log', 'md', 'cfg', 'conf', 'ini'], text('text/plain; charset=utf-8', 'ok\n')),
  ...each(['css'], text('text/css', 'body{}\n')),
  ...each(['gif', 'ico'], { type: 'image/gif', body: GIF }),
  ...each(['png', 'jpg', 'jpeg', 'bmp', 'webp'], { type: 'image/png', body: PNG }),
  ...each(['zip', 'jar', 'apk', 'docx', 'xlsx'], { type: 'application/zip', body: EMPTY_ZIP }),
  ...each(['gz', 'tgz'], { type: 'application/gzip', body: gzipSync(Buffer.alloc(1024)) }),
  ...each(['exe', 'dll', 'sys', 'msi', 'bin', 'dat', 'elf', 'so', 'o', 'img', 'iso', 'pdf'], binary),
]);

/** Programs that save or pipe what they fetch, rather than show it. */
const FETCHERS = /^(?:curl|wget|fetch|busybox|libfetch|aria2|lwp|libwww-perl|python)/i;

/** A plausible body for a request's path (guest's text) and user agent. */
export function contentFor(path: string, userAgent: string): Content {
  const [, extension = ''] = /\.([A-Za-z0-9]{1,8})$/.exec(path) ?? [];
  const known = BY_EXTENSION.get(extension.toLowerCase());
  if (known !== undefined) return known;
  // `/bins/x86_64` asked by wget: it will be run.
  return FETCHERS.test(userAgent) && !path.endsWith('/') && path !== '' ? script : html;
}

function each(extensions: readonly string[], content: Content): (readonly [string, Content])[] {
  return extensions.map((extension) => [extension, content] as const);
}
