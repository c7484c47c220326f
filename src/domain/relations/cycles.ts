import type { Relation } from '../../contracts/relation';

/**
 * Servers that need each other in a circle by hard dependencies, from one back to itself, such as `a, b, a`; null: there is no such circle. What is soft, or a
 * copy of each other's state, may go round.
 */
export function hardCycle(relations: readonly Relation[]): readonly string[] | null {
  const needs = new Map<string, string[]>();
  for (const { type, strength, server, peers } of relations) {
    if (type !== 'depends-on' || strength !== 'hard') continue;
    needs.set(server, [...(needs.get(server) ?? []), ...peers.map((peer) => peer.server)]);
  }
  const done = new Set<string>();
  for (const start of [...needs.keys()].sort()) {
    const cycle = cycleFrom(start, needs, done);
    if (cycle !== null) return cycle;
  }
  return null;
}

/** Depth first, without recursion: ten thousand servers may depend on each other in one line. */
function cycleFrom(start: string, needs: ReadonlyMap<string, readonly string[]>, done: Set<string>): readonly string[] | null {
  const path: { readonly server: string; next: number }[] = [{ server: start, next: 0 }];
  const onPath = new Set([start]);
  for (let at = path.at(-1); at !== undefined; at = path.at(-1)) {
    const needed = needs.get(at.server)?.[at.next];
    at.next += 1;
    if (needed === undefined) {
      done.add(at.server);
      onPath.delete(at.server);
      path.pop();
    } else if (onPath.has(needed)) {
      const names = path.map(({ server }) => server);
      return [...names.slice(names.indexOf(needed)), needed];
    } else if (!done.has(needed)) {
      onPath.add(needed);
      path.push({ server: needed, next: 0 });
    }
  }
  return null;
}
