import type { Finding } from '../../contracts/plan';
import type { SideReadings } from '../../contracts/reading';
import type { ImageRecoveryPointView } from '../../contracts/recovery-point';
import { judgeRelations } from './judge-relations';
import type { RelationPair } from './pairs';

/** The search for a recovery point that the peers of its server would accept. Pure. */

/** So many are tried, newest first: who would go back further than that names one. */
export const TRIED_AT_MOST = 200;

export type PointToTry = Pick<ImageRecoveryPointView, 'id' | 'generation' | 'pointInTime' | 'setId'>;

/** What every one of them is judged by. What was read now is the same for all: peers do not answer otherwise because of what is restored. */
export interface JudgedBy {
  readonly pairs: readonly RelationPair[];
  /** What is said of the relations whatever the server goes back to. */
  readonly standing: readonly Finding[];
  readonly present: readonly SideReadings[];
  readonly now: Date;
}

export interface TriedPoint {
  readonly point: PointToTry;
  /** `free`: no rule has anything against it. `steps`: with what rules ask to be done. `refused`: something blocks, or is not known. */
  readonly verdict: 'free' | 'steps' | 'refused';
  /** What refuses it, or asks for steps; empty for a free one. */
  readonly because: readonly Finding[];
}

/** What a plan from it would say. */
export function tryPoint(point: PointToTry, captured: readonly SideReadings[], { pairs, standing, present, now }: JudgedBy): TriedPoint {
  const found = [...judgeRelations(pairs, { phase: 'plan', present, captured, pointInTime: point.pointInTime, now }).findings, ...standing];
  const refusing = found.filter(isAgainst);
  if (refusing.length > 0) return { point, verdict: 'refused', because: refusing };
  const steps = found.filter(({ severity }) => severity === 'step');
  return { point, verdict: steps.length > 0 ? 'steps' : 'free', because: steps };
}

/** What is not known counts as what blocks. */
export const isAgainst = ({ severity }: Finding): boolean => severity === 'block' || severity === 'unknown';

export interface CompatibleSearch {
  readonly tried: readonly TriedPoint[];
  /** The newest free one; where there is none, the newest that asks for steps only; null: all are refused. */
  readonly found: TriedPoint | null;
  /** Newer than the free one that was found, and would do with steps; null: there is none. */
  readonly newerWithSteps: TriedPoint | null;
}

/**
 * A free one goes before a newer one that asks for steps: a step can fail, or wait for people. The newer one is named beside it, because it may cost less.
 *
 * @param tried newest first; what is older than the first free one changes nothing
 */
export function compatibleOf(tried: readonly TriedPoint[]): CompatibleSearch {
  const firstFree = tried.findIndex(({ verdict }) => verdict === 'free');
  const looked = firstFree < 0 ? tried : tried.slice(0, firstFree + 1);
  const free = looked.at(-1)?.verdict === 'free' ? (looked.at(-1) ?? null) : null;
  const withSteps = looked.find(({ verdict }) => verdict === 'steps') ?? null;
  return { tried: looked, found: free ?? withSteps, newerWithSteps: free === null ? null : withSteps };
}
