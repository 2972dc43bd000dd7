import type { Evidence } from '#domain/report.js';
import { AnalysisFolder } from './folder.js';
import { additions } from './modules/additions.js';
import { behavior } from './modules/behavior.js';
import { debug } from './modules/debug.js';
import { dropped } from './modules/dropped.js';
import { info } from './modules/info.js';
import { network } from './modules/network.js';
import { screenshots } from './modules/screenshots.js';
import { strings } from './modules/strings.js';
import { target } from './modules/target.js';
import type { ProcessingModule } from './processing.js';

/** Every optional section, in the order of the report. None may depend on another's section. */
const modules: readonly ProcessingModule[] = [behavior, network, dropped, screenshots, strings, debug];

/** First of the notes when machinery `fake` played the guest. */
const NOTHING_RAN =
  'The machine was a fake one, made to try Malkoha without a hypervisor: the sample did not run, and what is told of its run is made up.';

export interface ExamineOptions {
  /** Called for each section that could not be made; the report comes without it and says so. */
  readonly onFailure: (section: string, error: unknown) => void;
  /** Sections that are not wanted. The report says so: it must not look as if nothing had been there. */
  readonly off?: readonly string[];
}

/**
 * Turns a stored analysis into the sections of its report. One module's failure costs its section, not the report.
 *
 * @throws when task.json cannot be read, or the reason of `signal`
 */
export async function examineFolder(
  folder: { readonly dir: string; readonly binaries?: string },
  options: ExamineOptions,
  signal: AbortSignal,
): Promise<Evidence> {
  const analysis = await AnalysisFolder.open(folder, signal);
  const notes = analysis.task.guest?.manager === 'fake' ? [NOTHING_RAN] : [];
  const head = {
    info: info(analysis.task),
    target: await target(analysis, (text) => notes.push(text), signal),
  };

  const sections: Partial<Record<keyof Evidence, unknown>> = {};
  // One after the other: each is bounded in memory, all at once are not, and notes keep their order.
  const off = modules.map(({ section }) => section).filter((section) => options.off?.includes(section));
  if (off.length > 0) notes.push(`Left out, as processing.conf has it: ${off.join(', ')}.`);
  for (const module of modules) {
    if (off.includes(module.section)) continue;
    if (!(await analysis.hasAny(module.needs))) continue;
    try {
      const section = await module.run(analysis, (text) => notes.push(text), signal);
      if (section !== undefined) sections[module.section] = section;
    } catch (error) {
      signal.throwIfAborted();
      options.onFailure(module.section, error);
      notes.push(`The section “${module.section}” could not be made.`);
    }
  }
  return { ...head, ...(sections as Partial<Evidence>), malkoha: additions(analysis.task, notes) };
}
