import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { section, table } from '#reporting/formats/html/lists.js';
import { html, Markup, type Part } from '#reporting/formats/html/markup.js';
import { contentPolicy, readStyle } from '#reporting/formats/html/style.js';
import type { ApiDocument, Schema } from '../document-shape.js';
import { isReference, named } from '../examples.js';
import type { Tag } from '../operation.js';
import type { CurlTarget } from './curl.js';
import { answerRow, article, folded, endpoint, type Placed } from './operation.js';
import { prose } from './prose.js';
import { fieldTable } from './types.js';

export interface Page {
  readonly text: string;
  /** Content-Security-Policy. */
  readonly policy: string;
}

/** One page with everything that the document says. */
export async function renderPage(document: ApiDocument, target: CurlTarget): Promise<Page> {
  const own = await readFile(join(import.meta.dirname, '..', 'assets', 'docs.css'), 'utf8');
  const style = (await readStyle()) + own;
  return { text: page(document, target, style).text, policy: contentPolicy(style) };
}

function page(document: ApiDocument, target: CurlTarget, style: string): Markup {
  const { info, tags, components } = document;
  const groups = tags.map((tag) => ({ ...tag, all: operations(document, tag.name) }));
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${info.title}</title>
        ${new Markup(`<style>${style}</style>`)}
      </head>
      <body id="top">
        <a class="skip" href="#contents">Skip to the contents</a>
        <nav aria-label="Sections">
          <a class="brand" href="#top">${info.title}</a>
          ${tags.map(({ name }) => html`<a href="#${name}">${name}</a>`)}
          <a href="#answers">Answers</a><a href="#objects">Objects</a>
        </nav>
        <main>
          ${introduction(document, target)} ${section('contents', 'Contents', null, groups.map(contents))}
          ${groups.map(({ name, description, all }) =>
            section(name, name, all.length, [
              html`<p class="quiet">${prose(description)}</p>`,
              all.map((one) => article(one, target)),
            ]),
          )}
          ${section('answers', 'Answers that many paths give', null, sharedAnswers(document))}
          ${section('objects', 'Objects', null, Object.entries(components.schemas).map(object))}
        </main>
        <footer>
          Made from <a href="openapi.json">openapi.json</a>, which this server makes from its own code.
        </footer>
      </body>
    </html> `;
}

function operations({ paths }: ApiDocument, tag: Tag): readonly Placed[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { tags }]) => tags[0] === tag)
      .map(([method, operation]) => ({ method, path, operation })),
  );
}

function introduction({ info }: ApiDocument, { base, needsToken }: CurlTarget): Part {
  return html`<section>
    <h1>${info.title}</h1>
    <p>${prose(info.description)}</p>
    <p>
      The address here is <code>${base}</code>. ${needsToken ? TOKEN : NO_TOKEN} Beside each path stands the
      scope that a token needs for it.
    </p>
  </section>`;
}

const TOKEN = html`It wants a token: <code>export MALKOHA_TOKEN=…</code> first, and the lines below work as
  they are.`;
const NO_TOKEN = html`No token is set, so none is needed.`;

function contents({ name, all }: { readonly name: string; readonly all: readonly Placed[] }): Part {
  const rows = all.map(
    ({ method, path, operation: { operationId, summary } }) =>
      html`<li><a href="#${operationId}">${endpoint(method, path)}</a> <span>${prose(summary)}</span></li>`,
  );
  return html`<h3>${name}</h3>
    <ul class="contents">
      ${rows}
    </ul>`;
}

/** The answers that operations refer to, each once, by status. */
function sharedAnswers({ paths, components }: ApiDocument): Part {
  const shared = new Map<string, Part[]>();
  for (const { responses } of Object.values(paths).flatMap((path) => Object.values(path))) {
    for (const [status, answer] of Object.entries(responses)) {
      if (!isReference(answer)) continue;
      shared.set(`${status} ${answer.$ref}`, answerRow(status, named(answer, components.responses)));
    }
  }
  const rows = [...shared].sort(([a], [b]) => a.localeCompare(b)).map(([, row]) => row);
  return [
    html`<p>
      Each error is <code>{"message": "…"}</code>, and a <a href="#Problem">Problem</a> for who sends
      <code>Accept: application/problem+json</code>.
    </p>`,
    table(['Status', 'Answer'], rows),
  ];
}

function object([name, schema]: readonly [string, Schema]): Part {
  const { description = '', examples = [] } = isReference(schema) ? {} : schema;
  return html`<article id="${name}">
    <h3>${name}</h3>
    <p>${prose(description)}</p>
    ${fieldTable('Key', schema)} ${examples.map((example) => folded('Example', example))}
  </article>`;
}
