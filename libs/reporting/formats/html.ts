import type { Report } from '#domain/report.js';
import type { Assets, ReportFormat } from '../format.js';
import { about } from './html/about.js';
import { files } from './html/files.js';
import { indicators } from './html/iocs.js';
import { cut, html as markup, Markup, type Part } from './html/markup.js';
import { network } from './html/network.js';
import { phases } from './html/phases.js';
import { processes } from './html/processes.js';
import { screenshots } from './html/screenshots.js';
import { signatures } from './html/signatures.js';
import { story } from './html/story.js';
import { contentPolicy, readStyle } from './html/style.js';
import { techniques } from './html/techniques.js';
import { targetName, verdict } from './html/verdict.js';

const NAVIGATION = [
  ['story', 'What happened'],
  ['signatures', 'Signatures'],
  ['attack', 'ATT&CK'],
  ['processes', 'Processes'],
  ['network', 'Network'],
  ['files', 'Files'],
  ['screenshots', 'Screenshots'],
  ['indicators', 'Indicators'],
  ['phases', 'Time'],
  ['about', 'About'],
] as const;

function present(report: Report, id: string): boolean {
  if (id === 'attack') return report.signatures.some((match) => Object.keys(match.ttp).length > 0);
  if (id === 'screenshots') return (report.screenshots?.length ?? 0) > 0;
  return id !== 'phases' || Object.values(report.malkoha.phases).some((ms) => ms > 0);
}

function head(report: Report, style: string): Markup {
  const links = NAVIGATION.filter(([id]) => present(report, id));
  return markup`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${new Markup(contentPolicy(style))}">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light dark">
<title>${cut(targetName(report), 80)} – ${report.malkoha.score.label} – Malkoha</title>
<style>${new Markup(style)}</style></head><body>
<a class="skip" href="#story">Skip to what happened</a>
<nav aria-label="Sections"><a class="brand" href="#top">Malkoha</a>${links.map(([id, name]) => markup`<a href="#${id}">${name}</a>`)}</nav>
<main>
`;
}

async function* render(report: Report, assets: Assets): AsyncGenerator<string> {
  const style = await readStyle();
  const parts: readonly ((report: Report) => Part)[] = [
    verdict,
    story,
    signatures,
    techniques,
    processes,
    network,
    files,
  ];
  yield head(report, style).text;
  for (const part of parts) yield markup`${part(report)}`.text;
  yield markup`${await screenshots(report, assets)}`.text;
  for (const part of [indicators, phases, about]) yield markup`${part(report)}`.text;
  yield `</main><footer>Made by Malkoha from the stored artefacts of task ${report.info.id}. The whole evidence is in report.json beside this page.</footer></body></html>\n`;
}

/** One self-contained page to read from top to bottom. */
export const html: ReportFormat = { extension: 'html', render };
