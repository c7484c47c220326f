import type { OffsiteCopyState } from '../../contracts/offsite-copies';
import { ModosuError } from '../../contracts/errors';
import type { DataPurpose } from '../../contracts/data';
import type { RecoveryPointKind } from '../../contracts/recovery-point';

/** What can be had back from an off-site repository alone. Pure. */

interface Copy {
  readonly recoveryPointId: string;
  readonly offsite: string;
  readonly state: OffsiteCopyState;
}

interface CopiedPoint {
  readonly id: string;
  readonly kind: RecoveryPointKind;
  readonly dataSet: string | null;
  readonly purpose: DataPurpose | null;
  readonly pointInTime: Date;
  readonly parentId: string | null;
}

const copiedTo = (offsite: string, copies: readonly Copy[]): ReadonlySet<string> =>
  new Set(copies.filter((copy) => copy.offsite === offsite && copy.state === 'copied').map(({ recoveryPointId }) => recoveryPointId));

/**
 * The newest image with all that it builds on, and the newest of each data set.
 *
 * @param until ISO 8601: none after that moment
 */
export function newestWhole(
  points: readonly CopiedPoint[],
  copies: readonly Copy[],
  offsite: string,
  until: string | null,
): { readonly image: string | null; readonly data: readonly { readonly dataSet: string; readonly recoveryPointId: string }[] } {
  const copied = copiedTo(offsite, copies);
  const byId = new Map(points.map((point) => [point.id, point]));
  const isWhole = ({ id, parentId }: CopiedPoint): boolean => {
    if (!copied.has(id)) return false;
    const parent = parentId === null ? null : byId.get(parentId);
    return parent === null || (parent !== undefined && isWhole(parent));
  };
  const whole = points
    .filter((point) => point.purpose !== 'safety' && (until === null || point.pointInTime <= new Date(until)) && isWhole(point))
    .toSorted((a, b) => b.pointInTime.getTime() - a.pointInTime.getTime() || (a.id < b.id ? 1 : -1));
  const dataSets = [...new Set(whole.flatMap(({ dataSet }) => dataSet ?? []))].sort();
  return {
    image: whole.find(({ kind }) => kind === 'image')?.id ?? null,
    data: dataSets.map((dataSet) => ({ dataSet, recoveryPointId: whole.find((point) => point.dataSet === dataSet)?.id ?? '' })),
  };
}

/** Throws `OFFSITE_COPY_NOT_FOUND` where one of them has no whole copy there. */
export function requireCopied(ids: readonly string[], copies: readonly Copy[], offsite: string): void {
  const whole = copiedTo(offsite, copies);
  const lacking = ids.find((id) => !whole.has(id));
  if (lacking === undefined) return;
  throw new ModosuError('OFFSITE_COPY_NOT_FOUND', `There is no whole copy of recovery point ${lacking} in ${offsite}.`, {
    context: { recoveryPointId: lacking, offsite },
  });
}
