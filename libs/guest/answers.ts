import { z } from 'zod';

/** Characters of a description worth keeping: a traceback, not a novel. */
const DESCRIPTION_LENGTH = 4096;

const word = z.string().max(256);

/** The agents' answers, as far as anything in them is used. All of it is the guest's word. */
export const ANSWERS = {
  info: z
    .object({
      version: word.default(''),
      features: z.array(word).max(64).default([]),
      analyzer: z.object({ sha256: word }).nullish(),
    })
    .transform(({ version, features, analyzer }) => ({
      version,
      features,
      analyzer: analyzer?.sha256 ?? null,
    })),
  status: z
    .object({ status: word.nullish(), description: z.string().nullish() })
    .transform(({ status, description }) => ({
      status: status ?? null,
      description: description?.slice(0, DESCRIPTION_LENGTH) ?? null,
    })),
  done: z.object({}).transform(() => undefined),
  logs: z.object({ stdout: z.string(), stderr: z.string() }),
  system: z.object({ system: word }).transform(({ system }) => system),
  environ: z.object({ environ: z.record(z.string(), z.string()) }).transform(({ environ }) => environ),
  filepath: z.object({ filepath: z.string().max(4096) }).transform(({ filepath }) => filepath),
  dirpath: z.object({ dirpath: z.string().max(4096) }).transform(({ dirpath }) => dirpath),
  execution: z
    .object({
      stdout: z.string().nullish(),
      stderr: z.string().nullish(),
      process_id: z.int().nonnegative().nullish(),
    })
    .transform(({ stdout, stderr, process_id }) => ({
      stdout: stdout ?? null,
      stderr: stderr ?? null,
      pid: process_id ?? null,
    })),
  refusal: z.object({ message: z.string() }),
};

/** What GET / says. `analyzer` is the sha256 of the analyzer the agent has loaded. */
export type AgentInfo = z.output<typeof ANSWERS.info>;

/** null at first; then `init`, `running`, `complete`, `exception`, `failed`, or anything the guest likes. */
export type GuestStatus = z.output<typeof ANSWERS.status>;

/** Outputs are null when the agent did not wait for the process. */
export type Execution = z.output<typeof ANSWERS.execution>;
