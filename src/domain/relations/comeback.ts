import { describeAge } from '../../contracts/format';
import type { Comeback, JudgementFacts } from '../../contracts/judgement';
import type { FindingSeverity } from '../../contracts/plan';
import type { Breach } from '../../contracts/protection-status';
import { namesOf } from '../../contracts/text';

/** What the last judgement says of a server, and when that is worth telling people. Pure. */

/** A night was missed, and half a day more: whatever was found then may be otherwise. */
export const OUTDATED_AFTER_MS = 36 * 3_600_000;

/** The newest hour `hourUtc` of a day that is not after `now`. */
export function lastNight(now: Date, hourUtc: number): Date {
  const today = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate(), hourUtc);
  return new Date(today <= now.getTime() ? today : today - 24 * 3_600_000);
}

/** Findings that keep a server from coming back as it is, or may. */
export const isInTheWay = ({ severity }: { readonly severity: FindingSeverity }): boolean => severity !== 'ok' && severity !== 'warn';

export function comebackOf({ askedAt, judged }: JudgementFacts, now: Date): Comeback {
  const since = judged?.judgedAt ?? askedAt;
  return {
    verdict: judged?.worst ?? null,
    since: judged?.since ?? null,
    judgedAt: judged?.judgedAt ?? null,
    isOutdated: since !== null && now.getTime() - Date.parse(since) > OUTDATED_AFTER_MS,
    recoveryPointId: judged?.recoveryPointId ?? null,
    findings: judged?.findings ?? [],
  };
}

/** That it could not come back is told at once; that nobody knows, when it has been so for longer than one night, for which a peer may be away. */
export function comebackBreaches({ id, name }: { readonly id: string; readonly name: string }, comeback: Comeback | null, now: Date): readonly Breach[] {
  if (comeback === null) return [];
  const { verdict, since, judgedAt, isOutdated, findings } = comeback;
  const breach = (code: Breach['code'], from: string | null, message: string, hint: string): readonly Breach[] => [
    { code, serverId: id, serverName: name, kind: 'image', dataSet: null, since: from, message, hint },
  ];
  const of = (severity: FindingSeverity): string => [...new Set(findings.filter((one) => one.severity === severity).map(({ code }) => code))].sort().join(', ');
  if (verdict === 'block' && judgedAt !== null) {
    const remedies = [...new Set(findings.flatMap(({ severity, remedy }) => (severity === 'block' && remedy !== undefined ? [remedy] : [])))];
    const others = [...new Set(findings.flatMap(({ together, relation }) => (together === true && relation !== undefined ? [relation.peer] : [])))].sort();
    const together =
      others.length === 0
        ? ''
        : ` The rules ask for a restore together with ${namesOf(others)}: \`modosu restore plan-set ${[name, ...others].join(' ')}\` says from which images.`;
    return breach(
      'CANNOT_COME_BACK_ALONE',
      since,
      `If server "${name}" were restored to its newest image now, its peers would not accept it: ${of('block')} (judged ${describeAge(judgedAt, now)} ago).`,
      `${remedies[0] ?? `See \`modosu relation judgement ${name}\`.`}${together} When that is done: \`modosu relation judge ${name}\`.`,
    );
  }
  const how = `See \`modosu relation judgement ${name}\`, and whether a worker runs: \`modosu doctor\`; then \`modosu relation judge ${name}\`.`;
  if (isOutdated) {
    const last = judgedAt === null ? 'was never found out' : `was last found out ${describeAge(judgedAt, now)} ago`;
    return breach('COMEBACK_UNKNOWN', null, `Whether server "${name}" could come back alone ${last}; it should be every night.`, how);
  }
  if (verdict !== 'unknown' || since === null || now.getTime() - Date.parse(since) <= OUTDATED_AFTER_MS) return [];
  return breach(
    'COMEBACK_UNKNOWN',
    since,
    `Whether server "${name}" could come back alone could not be found out for ${describeAge(since, now)}: ${of('unknown')}.`,
    how,
  );
}
