import type { Relation } from '../../contracts/relation';

/**
 * In which order servers go live: each after those of them that it cannot work without; else as they were given. Pure.
 *
 * @param relations without cycles of hard dependencies, as the estate has them
 */
export function goLiveOrder(names: readonly string[], relations: readonly Relation[]): readonly string[] {
  const needs = (name: string): readonly string[] =>
    relations
      .filter(({ type, strength, server }) => type === 'depends-on' && strength === 'hard' && server === name)
      .flatMap(({ peers }) => peers.map(({ server }) => server))
      .filter((peer) => names.includes(peer));
  const ordered: string[] = [];
  const visit = (name: string, under: readonly string[]): void => {
    if (ordered.includes(name) || under.includes(name)) return;
    for (const peer of needs(name)) visit(peer, [...under, name]);
    ordered.push(name);
  };
  for (const name of names) visit(name, []);
  return ordered;
}
