import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseProfileFile } from '../../src/contracts/api/profile-file';
import type { Finding } from '../../src/contracts/plan';
import type { MarkerReading, MarkerReadings, PlannedRuleStep, Profile, RulePhase } from '../../src/contracts/profile';
import { judge, planSteps, type JudgeContext } from '../../src/domain/consistency/judge';

/** Shipped profiles, and how they judge readings that a test makes up. The server is srv01, the peer is srv02. */

export const NOW = new Date('2026-03-10T12:00:00Z');
export const POINT_IN_TIME = '2026-03-10T02:00:00Z';

export const shippedProfile = (name: string): Profile => parseProfileFile(`${name}.yaml`, readFileSync(join(__dirname, '../../profiles', `${name}.yaml`)));

export const failed = (code: string, message: string): MarkerReading => ({ state: 'failed', code, message, at: NOW.toISOString() });

/** By the name of the marker, such as `peer.serial.now`; a text is what was read. */
export const readingsOf = (values: Readonly<Record<string, string | MarkerReading>>): MarkerReadings =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      const at = name.endsWith('.now') ? NOW.toISOString() : POINT_IN_TIME;
      return [name, typeof value === 'string' ? { state: 'read' as const, value, raw: value, at } : value];
    }),
  );

export interface Judgement {
  /** All but the one that the profile is experimental. */
  readonly findings: readonly Finding[];
  /** `block STANDBY_AHEAD` */
  readonly verdicts: readonly string[];
  readonly steps: readonly PlannedRuleStep[];
}

export function judged(
  profile: Profile,
  phase: RulePhase,
  values: Readonly<Record<string, string | MarkerReading>>,
  more: Partial<Pick<JudgeContext, 'parameters' | 'pointInTime' | 'now'>> = {},
): Judgement {
  const context: JudgeContext = {
    phase,
    parameters: {},
    server: 'srv01',
    peer: 'srv02',
    pointInTime: POINT_IN_TIME,
    now: NOW,
    ...more,
    readings: readingsOf(values),
  };
  const all = judge(profile, context);
  const findings = all.filter(({ code }) => code !== 'PROFILE_EXPERIMENTAL');
  return { findings, verdicts: findings.map(({ severity, code }) => `${severity} ${code}`), steps: planSteps(profile, context, all) };
}
