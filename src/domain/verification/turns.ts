import type { ErrorSummary } from '../../contracts/errors';
import { AWAY } from './verification';

/** Whose turn it is to be read, or booted, where places have room for so many. Pure. */

/** Where images of a repository lie, where all data does, and where images of a hypervisor are booted. */
export const imagePlace = (repository: string): string => `repository ${repository}`;
export const DATA_PLACE = 'data';
export const bootPlace = (hypervisor: string): string => `boots on ${hypervisor}`;

/** More at once would only make each other slow; of data two, so that a server whose reading takes days keeps nobody waiting. */
const roomOf = (place: string): number => (place === DATA_PLACE ? 2 : 1);

interface Placed {
  readonly id: string;
  readonly place: string;
}

export interface Turn<Waiting extends Placed> {
  /** Whose turn it is; null: nobody's. */
  readonly begin: Waiting | null;
  /** Why the others wait, by id. */
  readonly waitsFor: ReadonlyMap<string, string>;
  /** Places where nothing may begin now. */
  readonly taken: ReadonlySet<string>;
}

/**
 * @param asked those that wait, in their order
 * @param restores places that are a restore's alone, and why
 */
export function nextTurn<Waiting extends Placed>(asked: readonly Waiting[], running: readonly Placed[], restores: ReadonlyMap<string, string>): Turn<Waiting> {
  const why = (place: string): string | null => {
    // The one that has taken the last room there is.
    const last = running.filter((row) => row.place === place)[roomOf(place) - 1];
    return (
      restores.get(place) ??
      (last === undefined ? null : `verification ${last.id} ${place.startsWith(bootPlace('')) ? 'boots an image there' : 'reads the same repository'}`)
    );
  };
  const places = new Set([...running.map(({ place }) => place), ...restores.keys()]);
  return {
    begin: asked.find(({ place }) => why(place) === null) ?? null,
    waitsFor: new Map(
      asked.flatMap(({ id, place }): [string, string][] => {
        const reason = why(place);
        return reason === null ? [] : [[id, reason]];
      }),
    ),
    taken: new Set([...places].filter((place) => why(place) !== null)),
  };
}

/** A run that has not ended. */
interface OpenRun {
  readonly id: string;
  readonly kind: string;
  readonly waitingFor: unknown;
}

/**
 * Places that are a restore's alone, and why. One that waits for somebody's word reads nothing, and may wait for days.
 *
 * @param where of an image restore its repository, of any its server's hypervisor; null: it has none
 */
export function placesOfRestores<Run extends OpenRun>(
  openRuns: readonly Run[],
  where: (run: Run) => { readonly repository: string | null; readonly hypervisor: string | null },
): ReadonlyMap<string, string> {
  const places = new Map<string, string>();
  for (const run of openRuns) {
    if ((run.kind !== 'restore-server' && run.kind !== 'restore-data') || run.waitingFor !== null) continue;
    const { repository, hypervisor } = where(run);
    // Data comes after the image.
    const own = [DATA_PLACE, ...(repository === null ? [] : [imagePlace(repository)]), ...(hypervisor === null ? [] : [bootPlace(hypervisor)])];
    for (const place of own) places.set(place, `run ${run.id} restores`);
  }
  return places;
}

interface Ended {
  readonly place: string;
  readonly state: string;
  readonly finishedAt: Date | null;
  readonly error: Pick<ErrorSummary, 'code'> | null;
}

/** Places that the last look has found away: policies leave them alone for a while. In the order in which they have ended, or in none. */
export function placesFoundAway(ended: readonly Ended[]): readonly string[] {
  const last = new Map<string, Ended>();
  for (const row of [...ended].sort((a, b) => (a.finishedAt?.getTime() ?? 0) - (b.finishedAt?.getTime() ?? 0))) last.set(row.place, row);
  return [...last.values()].filter(({ state, error }) => state === 'not-run' && error !== null && isAway(error)).map(({ place }) => place);
}

/** Whether a verification was stopped by this because the place of what it reads, or boots on, is away. */
const isAway = ({ code }: Pick<ErrorSummary, 'code'>): boolean => AWAY.has(code) || code === 'HYPERVISOR_UNREACHABLE';

/** What a verdict says about a recovery point that was found damaged meanwhile, by somebody else who has read it: nothing. */
export const isOutdated = (point: { readonly state: string; readonly checkedAt: Date | null }, { startedAt }: { readonly startedAt: Date | null }): boolean =>
  point.state === 'damaged' && point.checkedAt !== null && startedAt !== null && point.checkedAt > startedAt;
