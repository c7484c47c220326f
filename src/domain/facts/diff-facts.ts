import {
  FACT_KINDS,
  type FactChange,
  type FactDiff,
  type FactEntry,
  type FactGap,
  type FactKind,
  type FactSection,
  type FactSectionDiff,
  type ServerFacts,
} from '../../contracts/facts';

type Sections = Pick<ServerFacts, 'sections'>;

/**
 * What is different in `after`. A kind that could not be collected on a side, or not completely, is `incomplete`: nothing is concluded from what is missing
 * there. Facts of two OS families are compared like any others: then nearly everything differs.
 */
export const diffFacts = (before: Sections, after: Sections): FactDiff => ({
  sections: FACT_KINDS.map((kind) => diffSection(kind, sectionOf(before, kind), sectionOf(after, kind))),
});

const sectionOf = ({ sections }: Sections, kind: FactKind): FactSection | undefined => sections.find((section) => section.kind === kind);

function diffSection(kind: FactKind, before: FactSection | undefined, after: FactSection | undefined): FactSectionDiff {
  if (before?.state !== 'collected' || after?.state !== 'collected') return { kind, state: 'incomplete', gap: gapOf(before, after), changed: [] };
  const [then, now] = [byKey(before.entries), byKey(after.entries)];
  const changed = [...then].flatMap(([key, value]): FactChange[] => {
    const present = now.get(key);
    return present === undefined || present === value ? [] : [{ key, before: value, after: present }];
  });
  if (before.truncated || after.truncated) return { kind, state: 'incomplete', gap: { reason: 'truncated' }, changed };
  return {
    kind,
    state: 'compared',
    added: after.entries.filter(({ key }) => !then.has(key)),
    removed: before.entries.filter(({ key }) => !now.has(key)),
    changed,
  };
}

const byKey = (entries: readonly FactEntry[]): ReadonlyMap<string, string> => new Map(entries.map(({ key, value }) => [key, value]));

function gapOf(before: FactSection | undefined, after: FactSection | undefined): FactGap {
  const [then, now] = [codeOf(before), codeOf(after)];
  if (before?.state === 'collected') return { reason: 'failed', side: 'after', code: now };
  if (after?.state === 'collected') return { reason: 'failed', side: 'before', code: then };
  return { reason: 'failed', side: 'both', code: then === now ? now : null };
}

const codeOf = (section: FactSection | undefined): string | null => (section?.state === 'failed' ? section.error.code : null);

/** Whether something is known to be different: what an alarm about a change that nobody has registered goes by. */
export const hasDifferences = ({ sections }: FactDiff): boolean =>
  sections.some((section) => section.changed.length > 0 || (section.state === 'compared' && section.added.length + section.removed.length > 0));

/** Whether everything was compared and nothing is different. Neither this nor `hasDifferences` holds where something could not be compared. */
export const isEmpty = (diff: FactDiff): boolean => !hasDifferences(diff) && diff.sections.every(({ state }) => state === 'compared');
