import { Attachments, type World } from './attach.js';
import type { OwnQemuMachine } from './machine.js';
import { folderOf } from './parts.js';
import { planMachines, type OwnPlan } from './plan.js';
import { makeOwnTemplate, type OwnTemplateWanted } from './template.js';

export interface PrepareSetup extends World, Pick<OwnTemplateWanted, 'runDir' | 'waitReady' | 'onProgress'> {
  readonly machine: OwnQemuMachine;
  /** `path` of qemu.conf. */
  readonly path: string;
  readonly guestsDir: string;
}

/**
 * Makes the template of an operator's machine anew, by its snapshot or by booting it, and checks that it restores.
 * A machine that belongs behind a bridge is behind a wire for that. Returns the template's folder. Machines that run
 * meanwhile keep the template that they were made of.
 *
 * @throws CONFIG_INVALID, SETUP_MISSING, TEMPLATE_FAILED
 */
export async function prepareMachine(setup: PrepareSetup, signal: AbortSignal): Promise<string> {
  const [planned] = await planMachines([setup.machine], setup.path, signal);
  if (planned === undefined) throw new Error('a machine without a plan');
  const plan = awayFromBridge(planned);
  await using attachments = new Attachments(setup);
  const folder = folderOf(setup.guestsDir, setup.machine.name);
  const { runDir, waitReady } = setup;
  const onProgress = (line: string) => setup.onProgress(line);
  await makeOwnTemplate({ plan, folder, runDir, attachments, waitReady, onProgress }, signal);
  return folder;
}

/**
 * On its bridge a guest is cut off until a task has a route, and its tap may be in use. A wire needs neither, and the
 * guest's card is the same: we open taps without offloads (see TAP_OPENER), which a wire does not have either.
 */
function awayFromBridge(plan: OwnPlan): OwnPlan {
  return plan.network.kind === 'bridge' ? { ...plan, network: { kind: 'wire' } } : plan;
}
