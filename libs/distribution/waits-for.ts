import { serves, wanted } from '#domain/machine.js';
import type { NodeRoom } from './placement.js';
import type { Wants } from './shelves.js';

/** Nodes that one sentence names. */
const MOST_NAMED = 5;

/** Why a pending task waits, for people: the first thing that would hold it up even if all that follows were in order. */
export function waitsFor(task: Wants, nodes: readonly NodeRoom[]): string {
  if (nodes.length === 0) return 'No node is registered.';
  const allowed = task.pinned ? nodes.filter(({ id }) => id === task.nodeId) : nodes;
  if (allowed.length === 0) return 'The node it was submitted for is not registered any more.';
  const able = allowed.filter(({ machines }) => machines.some((machine) => serves(machine, task)));
  if (able.length === 0) return noneAble(task, allowed);
  const shutFor = ({ shut, kept }: NodeRoom): string | null => shut ?? (task.pinned ? null : kept);
  const open = able.filter((node) => shutFor(node) === null);
  if (open.length === 0) {
    const whys = able.map((node) => `${node.name} (${shutFor(node) ?? ''})`);
    return `No node with a machine for it can be given tasks: ${some(whys)}.`;
  }
  const roomy = open.filter(({ room }) => room > 0);
  if (roomy.length === 0) return `All nodes that could run it are full: ${some(names(open))}.`;
  return `It is handed out in its turn: ${some(names(roomy))} can be given tasks.`;
}

function noneAble(task: Wants, allowed: readonly NodeRoom[]): string {
  const unknown = allowed.filter(({ machines }) => machines.length === 0);
  const perhaps = unknown.length === 0 ? '' : ` No machine is known yet of ${some(names(unknown))}.`;
  const where = task.pinned
    ? `The node it was submitted for, ${some(names(allowed))}, has no`
    : 'No node has a';
  return `${where} machine that ${wanted(task)}.${perhaps}`;
}

function names(nodes: readonly NodeRoom[]): string[] {
  return nodes.map(({ name }) => name);
}

function some(what: readonly string[]): string {
  const more = what.length - MOST_NAMED;
  return [...what.slice(0, MOST_NAMED), ...(more > 0 ? [`${more} more`] : [])].join(', ');
}
