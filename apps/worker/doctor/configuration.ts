import { stat } from 'node:fs/promises';
import { homePaths, withArtifacts, type HomePaths } from '#config/home.js';
import { MACHINERIES, machineryNames, type MachineryName } from '#config/machineries.js';
import { checkConf } from '#config/check.js';
import { Findings, told } from '#config/findings.js';
import { readTexts } from '#config/layers.js';
import { settingsOf, type Settings } from '#config/settings.js';
import { reason } from '#domain/errors.js';
import { fail, ok, warn, type Verdict } from '../../verdict.js';
import { ourName } from './owner.js';

const CORRECT = 'correct the line; conf/ in the source holds every key with its default';

/** What the configuration says, with what is wrong with it. */
export interface Reading {
  readonly verdicts: readonly Verdict[];
  /** Null when it does not load: nothing that depends on it can be told. */
  readonly known: {
    readonly home: HomePaths;
    readonly settings: Settings;
    readonly machinery: readonly MachineryName[];
  } | null;
}

/** Reads conf/*.conf as the lab will. @param option in the place of `[cuckoo] machinery` */
export async function readConfiguration(dir: string, option: string | undefined): Promise<Reading> {
  const home = homePaths(dir);
  const findings = new Findings();
  let settings;
  try {
    const texts = await readTexts(home.conf);
    // What it says of the machinery matters only when that is used.
    settings = (option === undefined ? checkConf : settingsOf)(home.conf, texts, findings);
  } catch (error) {
    const fix = `chown -R ${ourName()} ${home.conf}; chmod -R u+rX ${home.conf}`;
    return { verdicts: [fail(reason(error), fix)], known: null };
  }
  const { problems } = findings;
  const notes = findings.notes.map((note) => warn(told(note), 'correct the line, or remove it'));
  if (problems.length > 0)
    return { verdicts: [...problems.map((problem) => fail(told(problem), CORRECT)), ...notes], known: null };
  const wanted = machineryNames(option ?? settings.cuckoo.cuckoo.machinery);
  if ('unknown' in wanted) {
    const where = option === undefined ? `${home.conf}/cuckoo.conf: [cuckoo] machinery` : '--machinery';
    const found = `${where}: ${JSON.stringify(wanted.unknown)} is not one of ${MACHINERIES.join(', ')}`;
    return {
      verdicts: [
        ...notes,
        fail(found, `write one of ${MACHINERIES.join(', ')}, or several separated by commas`),
      ],
      known: null,
    };
  }
  const files = await stat(home.conf).then(
    () => `${home.conf} is right`,
    () => `${home.conf} is not there: all is as by default`,
  );
  return {
    verdicts: [...notes, ok(`${files}; machinery ${wanted.names.join(', ')}`)],
    known: {
      home: withArtifacts(home, settings.cuckoo.artifacts.location),
      settings,
      machinery: wanted.names,
    },
  };
}
