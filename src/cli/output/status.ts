import type { RepositoryCapacity } from '../../contracts/capacity';
import { formatBytes, formatDuration } from '../../contracts/format';
import type { EstateStatus, ProtectedThing, ServerProtection } from '../../contracts/protection-status';
import { comebackTable } from './judgements';
import type { Printer } from './printer';
import { plain, table, utc } from './text';

/** The estate at a glance: what is in breach first, with what to do. */
export function statusText({ at, isProtected, breaches, decommissioned, servers, repositories }: EstateStatus, printer: Printer): string {
  const headline = isProtected
    ? printer.paint('green', `All servers are protected as promised (${utc(at)}).`)
    : printer.paint('red', `NOT PROTECTED AS PROMISED: ${breaches} ${breaches === 1 ? 'breach' : 'breaches'} (${utc(at)}).`);
  const problems = servers.flatMap((server) =>
    server.breaches.map(({ code, message, hint, since }) => {
      const when = since === null ? '' : ` (since ${utc(since)})`;
      return `  ${code}${when}: ${plain(message)}\n    hint: ${plain(hint)}`;
    }),
  );
  const rows = servers.flatMap(rowsOf);
  const comebacks = comebackTable(servers, at);
  return [
    decommissioned === 0 ? headline : `${headline}\n${outOfServiceText(decommissioned)}`,
    ...(problems.length === 0 ? [] : [problems.join('\n')]),
    ...(rows.length === 0 ? [] : [table(HEADERS, rows)]),
    ...(comebacks === null ? [] : [comebacks]),
    ...(repositories.length === 0 ? [] : [roomTable(repositories)]),
  ].join('\n\n');
}

const outOfServiceText = (count: number): string =>
  `${count} ${count === 1 ? 'server is' : 'servers are'} decommissioned, and not judged: \`modosu server list\`.`;

const roomTable = (repositories: readonly RepositoryCapacity[]): string =>
  table(
    ['REPOSITORY', 'FREE', 'MEASURED', 'FILLS BY', 'FULL'],
    repositories.map(({ name, freeBytes, measuredAt, bytesPerDay, fullAt, basedOnDays }) => [
      name,
      freeBytes === null ? 'not measured yet' : formatBytes(freeBytes),
      utc(measuredAt),
      bytesPerDay === null ? 'too little measured' : `${bytesPerDay < 0 ? '-' : ''}${formatBytes(Math.abs(bytesPerDay))} a day (of ${basedOnDays} days)`,
      fullAt === null ? '-' : utc(fullAt),
    ]),
  );

const HEADERS = ['SERVER', 'POLICY', 'WHAT', 'NEWEST', 'OFF-SITE', 'RPO', 'NEXT', 'LAST BACKUP', 'STATE'];

const rowsOf = (server: ServerProtection): readonly (readonly string[])[] =>
  server.things.map((thing) => [
    server.serverName,
    server.policy ?? '-',
    thing.kind === 'image' ? 'image' : `data ${thing.dataSet ?? ''}`,
    thing.ageSeconds === null ? 'NONE' : `${formatDuration(thing.ageSeconds)} old`,
    thing.offsiteAt === null && thing.newestAt !== null ? 'on site only' : utc(thing.offsiteAt),
    thing.rpoSeconds === null ? '-' : formatDuration(thing.rpoSeconds),
    utc(thing.nextDueAt),
    lastText(thing),
    stateText(server, thing),
  ]);

const lastText = ({ lastRun }: ProtectedThing): string =>
  lastRun === null ? '-' : `${lastRun.state}${lastRun.errorCode === null ? '' : ` ${lastRun.errorCode}`} ${utc(lastRun.finishedAt)}`;

function stateText({ breaches }: ServerProtection, { kind, dataSet, waitsFor }: ProtectedThing): string {
  const own = breaches.filter((breach) => breach.kind === null || (breach.kind === kind && breach.dataSet === dataSet)).map(({ code }) => code);
  const state = own.length === 0 ? 'ok' : own.join(', ');
  return waitsFor === null ? state : `${state}, waits: ${waitsFor}`;
}
