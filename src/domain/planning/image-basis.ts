import type { BackupSubject, CheckpointSurvey, ImageBasis } from '../../contracts/activities/images';
import type { ErrorSummary } from '../../contracts/errors';
import { isDamage } from '../verification/verification';

/** The recovery point that could be continued, as it lies in its repository. */
export interface KnownParent {
  readonly recoveryPointId: string;
  /** How many recovery points it is made of, itself among them. */
  readonly chainLength: number;
  readonly disks: readonly { readonly target: string; readonly virtualSizeBytes: number; readonly backingName: string }[];
}

export interface BasisFacts {
  readonly subject: Pick<BackupSubject, 'disks' | 'neededBytes'>;
  /** So many incrementals may follow a full. */
  readonly maxIncrements: number;
  /** A whole image was asked for. */
  readonly full: boolean;
  /** Recovery points whose checkpoints were looked for, the newest first. */
  readonly candidates: readonly string[];
  readonly survey: CheckpointSurvey;
  /** Of the first checkpoint that was found, or why it cannot be continued; null: none was found, or nobody has looked. */
  readonly parent: KnownParent | ErrorSummary | null;
}

/**
 * What the images of an online backup build on. With any doubt they are whole, and it is said why: a guess would be found out at a restore.
 *
 * A checkpoint names one moment of one disk, and lies in that disk: whichever recovery point the newest one belongs to that is whole on all disks, the images
 * can continue it.
 */
export function chooseImageBasis(facts: BasisFacts): ImageBasis {
  const { subject, survey, parent } = facts;
  // Of disks that nobody could look at nothing is known.
  const alwaysFull =
    survey.able.length === 0 && survey.problem !== null ? [] : subject.disks.map(({ target }) => target).filter((target) => !survey.able.includes(target));
  const leavesCheckpoint = facts.maxIncrements > 0;
  const fullBecause = reasonForFull(facts);
  if (fullBecause !== null || parent === null || 'code' in parent) {
    const whole = { parentId: null, incremental: [], changedBytes: 0, neededBytes: subject.neededBytes, fullBecause, alwaysFull, leavesCheckpoint };
    // Found by the way: people are told of it as of any other damage.
    return parent !== null && 'code' in parent && isDamage(parent) ? { ...whole, damage: { recoveryPointId: survey.found?.name ?? '', error: parent } } : whole;
  }
  const changed = survey.found?.changedBytes ?? {};
  const incremental = parent.disks.filter(({ target }) => survey.able.includes(target)).map(({ target, backingName }) => ({ target, backingName }));
  const changedBytes = incremental.reduce((sum, { target }) => sum + (changed[target] ?? 0), 0);
  const spared = subject.disks.filter(({ target }) => survey.able.includes(target)).reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0);
  const basis = { parentId: parent.recoveryPointId, incremental, changedBytes, fullBecause: null, alwaysFull, leavesCheckpoint };
  // As long as it may be: what has changed is written beside the whole images that are made from it.
  if (parent.chainLength > facts.maxIncrements) return { ...basis, merges: true, neededBytes: subject.neededBytes + changedBytes };
  return { ...basis, neededBytes: subject.neededBytes - spared + changedBytes };
}

/** Whole images although incremental ones were intended, for a reason that showed only when they were to begin. */
export const wholeAfterAll = ({ merges: _merges, ...basis }: ImageBasis, subject: Pick<BackupSubject, 'neededBytes'>, why: string): ImageBasis => ({
  ...basis,
  parentId: null,
  incremental: [],
  changedBytes: 0,
  neededBytes: subject.neededBytes,
  fullBecause: why,
});

function reasonForFull({ subject, maxIncrements, full, candidates, survey, parent }: BasisFacts): string | null {
  if (full) return 'a whole image was asked for';
  if (maxIncrements === 0) return 'whole images are what its policy wants, or it was begun by an earlier version';
  if (candidates.length === 0) return 'there is no usable recovery point yet of the disks that the server has now';
  if (survey.able.length === 0) return survey.problem ?? 'none of its disks can hold a checkpoint';
  const { found } = survey;
  if (found === null || parent === null) return `no checkpoint can be believed: ${survey.problem ?? 'nobody knows why'}`;
  if ('code' in parent) return `recovery point ${found.name} cannot be continued: ${parent.message}`;
  if (parent.recoveryPointId !== found.name) return `recovery point ${found.name} was asked for, and ${parent.recoveryPointId} is there`;
  return changedDisks(subject, survey, parent);
}

/** The disks that are there must be those of the parent, to the byte as large; a full has none that the other lacks. */
function changedDisks({ disks }: BasisFacts['subject'], survey: CheckpointSurvey, parent: KnownParent): string | null {
  for (const { target } of disks) {
    const before = parent.disks.find((disk) => disk.target === target);
    if (before === undefined) return `disk ${target} is new since recovery point ${parent.recoveryPointId}`;
    if (before.virtualSizeBytes !== survey.virtualSizeBytes[target]) return `disk ${target} was resized since recovery point ${parent.recoveryPointId}`;
    if (survey.able.includes(target) && survey.found?.changedBytes[target] === undefined) return `nobody says what has changed on disk ${target}`;
  }
  const removed = parent.disks.find(({ target }) => !disks.some((disk) => disk.target === target));
  return removed === undefined ? null : `disk ${removed.target} was removed since recovery point ${parent.recoveryPointId}`;
}
