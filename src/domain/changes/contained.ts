import { quoted } from '../../contracts/text';
import { RECORDED_CHANGES_LIMIT, type ChangeState, type GenerationChanges, type RecordedChange } from '../../contracts/change';

/** Which changes a state of a server holds. Pure. */

/** A change as it is registered, and on which lines of disk states it was made. */
export interface RegisteredChange {
  readonly id: string;
  readonly title: string;
  readonly ticket: string | null;
  readonly state: ChangeState;
  readonly openedAt: Date;
  /** The line that the server had when it was opened. */
  readonly openedOn: string;
  /** When it was complete on a line: once where it was first made, and once more for each line on which it was applied again. */
  readonly applied: readonly { readonly lineageId: string; readonly at: Date }[];
}

export const NO_CHANGES: GenerationChanges = { contained: [], partly: [], more: 0 };

/**
 * What the server holds at a moment: what the state held that its line began with, and what was made on this line since. A change that was made on a line the
 * server does not have any more is not in it, whatever the clock says.
 *
 * @param base of the generation that a restore began the line with; `NO_CHANGES` for the first line of a server
 */
export function changesAt(
  line: { readonly lineageId: string; readonly base: GenerationChanges },
  registered: readonly RegisteredChange[],
  at: Date,
): GenerationChanges {
  const { lineageId, base } = line;
  const appliedAt = (change: RegisteredChange): Date | undefined =>
    change.applied.find((one) => one.lineageId === lineageId && one.at.getTime() <= at.getTime())?.at;
  const made = registered
    .flatMap((change) => {
      const when = appliedAt(change);
      return when === undefined ? [] : [{ change, when }];
    })
    .sort((a, b) => a.when.getTime() - b.when.getTime())
    .map(({ change, when }) => recorded(change, when));
  const known = new Map(registered.map((change) => [change.id, change]));
  const isMade = new Set(made.map(({ id }) => id));
  const before = base.contained.filter(({ id }) => !isMade.has(id));
  const open = registered
    .filter((change) => !isMade.has(change.id) && isBegunAt(change, lineageId, at))
    .sort((a, b) => a.openedAt.getTime() - b.openedAt.getTime() || (a.id < b.id ? -1 : 1))
    .map((change) => recorded(change, null));
  const isContained = new Set([...isMade, ...before.map(({ id }) => id)]);
  // What was begun before the line it came from was left is still half there; one that was cancelled counts as taken back.
  const partly = [...base.partly.filter(({ id }) => known.get(id)?.state !== 'cancelled'), ...open].filter(({ id }) => !isContained.has(id));
  const contained = [...before, ...made];
  const listed = contained.slice(-RECORDED_CHANGES_LIMIT);
  const counted = base.more + contained.length - countedByBase(base, made);
  return { contained: listed, partly: unique(partly).slice(-RECORDED_CHANGES_LIMIT), more: counted - listed.length };
}

/** How many of these the base has counted already without listing them: it lists the newest, and was itself taken of this line. */
function countedByBase({ contained, more }: GenerationChanges, made: readonly RecordedChange[]): number {
  const oldest = contained[0]?.completedAt;
  if (oldest == null) return 0;
  const isListed = new Set(contained.map(({ id }) => id));
  return Math.min(more, made.filter(({ id, completedAt }) => !isListed.has(id) && completedAt !== null && completedAt <= oldest).length);
}

/** Of one that is not complete on this line: whether it was begun there. Where else it was completed meanwhile says nothing about these disks. */
const isBegunAt = ({ state, openedAt, openedOn }: RegisteredChange, lineageId: string, at: Date): boolean =>
  openedOn === lineageId && openedAt.getTime() <= at.getTime() && state !== 'cancelled';

const recorded = ({ id, title, ticket }: RegisteredChange, completedAt: Date | null): RecordedChange => ({
  id,
  title,
  ticket,
  completedAt: completedAt?.toISOString() ?? null,
});

const unique = (changes: readonly RecordedChange[]): readonly RecordedChange[] => [...new Map(changes.map((change) => [change.id, change])).values()];

export const holds = ({ contained, partly }: GenerationChanges, id: string): 'yes' | 'partly' | 'no' => {
  if (contained.some((change) => change.id === id)) return 'yes';
  return partly.some((change) => change.id === id) ? 'partly' : 'no';
};

/** What going back to a generation takes away, and what it brings back, compared with what the server holds now. */
export interface ChangesLost {
  /** The server has them; the generation does not. In the order of their completion. */
  readonly missing: readonly RecordedChange[];
  /** The server has them; the generation was taken while they were being made. */
  readonly partly: readonly RecordedChange[];
  /** The generation has them; the server does not, or not wholly. */
  readonly returning: readonly RecordedChange[];
  /** Of the server a part is there, and the generation has them not wholly either: what was done of them since is lost. Which of them are being made still, it does not say. */
  readonly begun: readonly RecordedChange[];
}

/**
 * What is lost now although a plan does not say so, because it was completed since the plan was made. A sentence each; empty: nothing.
 *
 * @param planned what the plan says is lost
 */
export function newlyLost(
  { missing, partly }: Pick<ChangesLost, 'missing' | 'partly'>,
  planned: { readonly changes: readonly { readonly id: string }[] },
): readonly string[] {
  const known = new Set(planned.changes.map(({ id }) => id));
  return [...missing, ...partly]
    .filter(({ id }) => !known.has(id))
    .map(({ id, title, ticket }) => `configuration change ${quoted(title)} (${[...(ticket === null ? [] : [ticket]), id].join(', ')}) was completed since`);
}

/** A generation of which nobody has recorded anything (`null`) lacks all of them, as far as anybody knows. */
export function changesLost(now: GenerationChanges, then: GenerationChanges | null): ChangesLost {
  const target = then ?? NO_CHANGES;
  return {
    missing: now.contained.filter(({ id }) => holds(target, id) === 'no'),
    partly: now.contained.filter(({ id }) => holds(target, id) === 'partly'),
    returning: target.contained.filter(({ id }) => holds(now, id) !== 'yes'),
    begun: now.partly.filter(({ id }) => holds(target, id) !== 'yes'),
  };
}
