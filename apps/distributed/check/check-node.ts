import type { NodeClient } from '#nodes/node.js';
import type { Finding } from '../../finding.js';
import { skipped } from '../../verdict.js';
import { eventStream } from './event-stream.js';
import { lookAtFacts } from './facts.js';
import type { Candidate, CheckOptions, Patient, Tell } from './patient.js';
import { probe } from './probe.js';
import { meet } from './rest-api.js';
import { findRoute } from './route.js';

/**
 * Follows the way of a task to this node and back, hop by hop, and tells each; true when nothing failed. What depends on a
 * hop that failed is not tried.
 *
 * @throws the signal's reason, after what was submitted is removed again, and nothing else
 */
export async function checkNode(
  node: Candidate,
  client: NodeClient,
  options: CheckOptions,
  onFinding: (finding: Finding) => void,
  signal: AbortSignal,
): Promise<boolean> {
  let healthy = true;
  const tell: Tell = (check, { status, found, fix }) => {
    if (status === 'fail') healthy = false;
    onFinding({ check, status, found, fix });
  };
  const whole = await hops({ node, client, options }, tell, signal);
  if (!whole) tell('the rest', skipped('not looked at: what comes after the first fault depends on it'));
  return healthy;
}

/** False: one of the first ones failed, on which all others depend. */
async function hops(patient: Patient, tell: Tell, signal: AbortSignal): Promise<boolean> {
  const { node, client, options } = patient;
  const route = await findRoute(node, options.limits, tell, signal);
  if (route === null) return false;
  const answer = await meet(patient, route, tell, signal);
  if (answer === null) return false;
  const machines = await lookAtFacts(patient, answer, tell, signal);
  tell('events', await eventStream(client, options.limits, signal));
  if (!options.analysis) tell('analysis', skipped('not tried: it was not asked for'));
  else if (machines === null) tell('analysis', skipped('not tried: it needs a machine, and none is known'));
  else await probe(patient, machines, tell, signal);
  return true;
}
