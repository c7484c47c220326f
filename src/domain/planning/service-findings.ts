import type { Finding } from '../../contracts/plan';
import type { Decommissioning } from '../../contracts/server';

/** A restore does not take a server back into service: whoever restores it has to know. `decommissioned` absent: it is in service. */
export function serviceFindings({
  serverName,
  decommissioned,
}: {
  readonly serverName: string;
  readonly decommissioned?: Decommissioning;
}): readonly Finding[] {
  if (decommissioned === undefined) return [];
  const { at, by, reason, protectsUntil } = decommissioned;
  return [
    {
      code: 'SERVER_DECOMMISSIONED',
      severity: 'warn',
      message: `The server was decommissioned at ${at}: it stays so after this restore, and nothing backs it up until it is recommissioned.`,
      remedy: `If it is to stay, take it back into service: \`modosu server recommission ${serverName} --reason TEXT\`.`,
      evidence: [`by ${by}: ${reason}`, `its last recovery points are protected until ${protectsUntil}`],
    },
  ];
}
