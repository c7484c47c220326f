import { FACT_KINDS, type FactEntry, type FactKind, type FactSection, type ServerFacts } from '../../src/contracts/facts';

/** Facts as a collection gives them: every kind collected and empty, but for what a test is about. */
export const serverFacts = (
  entries: Partial<Readonly<Record<FactKind, readonly FactEntry[]>>> = {},
  { sections, ...changes }: Partial<Omit<ServerFacts, 'sections'>> & { readonly sections?: Partial<Readonly<Record<FactKind, FactSection>>> } = {},
): ServerFacts => ({
  format: 'modosu-server-facts',
  version: 1,
  collectedAt: '2026-02-03T04:00:01.000Z',
  family: 'debian',
  sections: FACT_KINDS.map((kind) => sections?.[kind] ?? { kind, state: 'collected', entries: entries[kind] ?? [], truncated: false }),
  ...changes,
});
