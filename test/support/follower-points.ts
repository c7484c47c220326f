import type { MarkerReading } from '../../src/contracts/profile';
import type { SideReadings } from '../../src/contracts/reading';
import type { CandidatePoint } from '../../src/domain/relations/restored-together';

/** Recovery points of `db01` and `db02`, one of which follows the count of the other, by minutes since a moment in March. */
export const START = Date.UTC(2026, 2, 1);
export const MINUTE = 60_000;
export const at = (minutes: number): string => new Date(START + minutes * MINUTE).toISOString();

export const read = (value: number, minutes: number): MarkerReading => ({ state: 'read', value: String(value), raw: String(value), at: at(minutes) });
export const other = (server: string): string => (server === 'db01' ? 'db02' : 'db01');

export interface PointOptions {
  /** What the server, and its peer, said right before the point in time. */
  readonly own: number;
  readonly peer: number;
  readonly setId?: string | null;
  readonly lineageId?: string;
  readonly consistency?: CandidatePoint['consistency'];
  /** Of the reading; just before the point in time where absent. */
  readonly readAt?: number;
}

export function point(
  server: string,
  minutes: number,
  { own, peer, setId = null, lineageId = 'line-1', consistency = 'filesystem', readAt }: PointOptions,
): CandidatePoint {
  const side = (of: SideReadings['of'], value: number): SideReadings => ({
    relation: `${server}-${other(server)}`,
    peer: other(server),
    of,
    readings: { count: read(value, readAt ?? minutes - 0.5) },
  });
  return {
    id: `rp_${server}_${minutes}`,
    server,
    pointInTime: at(minutes),
    lineageId,
    setId,
    consistency,
    markers: [side('server', own), side('peer', peer)],
  };
}
