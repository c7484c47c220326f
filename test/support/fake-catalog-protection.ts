import type { ServerRecord } from '../../src/catalog/catalog';
import type { RecoveryPointRow, RunRow } from '../../src/catalog/entities';
import type { DueBackupView } from '../../src/contracts/due-backup';
import type { LastBackupRun, NewestRecoveryPoint, ProtectionFacts } from '../../src/contracts/protection-status';
import { isAhead } from '../../src/domain/clock-skew';
import { isFinal } from '../../src/contracts/run';

/** What the estate's protection is judged by, from the catalogue in memory. */
export function protectionFacts(
  servers: readonly ServerRecord[],
  points: readonly RecoveryPointRow[],
  runs: readonly RunRow[],
  waiting: readonly DueBackupView[],
  promisedSince: (server: ServerRecord) => Date | null,
  now: Date,
): ProtectionFacts {
  const newestFirst = [...runs].sort((a, b) => b.requestedAt.getTime() - a.requestedAt.getTime() || (a.id < b.id ? 1 : -1));
  return {
    newest: servers.flatMap((server) =>
      newestOf(
        server,
        points.filter(({ serverId, purpose, pointInTime }) => serverId === server.id && purpose !== 'safety' && !isAhead(pointInTime, now)),
        promisedSince,
      ),
    ),
    lastRuns: servers.flatMap(({ id }) => (['image', 'data'] as const).flatMap((kind) => lastRun(id, kind, newestFirst) ?? [])),
    waiting: [...waiting].sort((a, b) => (a.notBefore < b.notBefore ? -1 : 1)),
    recoverySeconds: servers.flatMap(({ id }) => {
      const run = newestFirst.find(
        ({ serverId, kind, state, recoverySeconds }) => serverId === id && kind === 'restore-server' && state === 'succeeded' && recoverySeconds !== null,
      );
      return run?.recoverySeconds == null ? [] : [{ serverId: id, seconds: run.recoverySeconds }];
    }),
  };
}

function newestOf(
  server: ServerRecord,
  points: readonly RecoveryPointRow[],
  promisedSince: (server: ServerRecord) => Date | null,
): readonly NewestRecoveryPoint[] {
  const subjects = [...new Set(points.map(({ kind, dataSet }) => JSON.stringify([kind, dataSet])))].sort();
  return subjects.map((subject) => {
    const own = points.filter(({ kind, dataSet }) => JSON.stringify([kind, dataSet]) === subject);
    const usable = own.filter(({ state }) => state === 'usable');
    return {
      serverId: server.id,
      kind: own[0]?.kind ?? 'image',
      dataSet: own[0]?.dataSet ?? null,
      newestAt: newest(usable),
      newestOnLineAt: newest(usable.filter(({ kind, lineageId }) => kind === 'data' || lineageId === server.lineageId)),
      unverifiedSince: unverifiedSince(usable, promisedSince(server)),
    };
  });
}

function unverifiedSince(usable: readonly RecoveryPointRow[], promisedSince: Date | null): string | null {
  const verified = Math.max(...usable.flatMap(({ verifiedAt, pointInTime }) => (verifiedAt === null ? [] : [pointInTime.getTime()])), -Infinity);
  const later = usable.filter(({ pointInTime }) => pointInTime.getTime() > verified).map(({ publishedAt }) => publishedAt.getTime());
  return later.length === 0 ? null : new Date(Math.max(Math.min(...later), promisedSince?.getTime() ?? 0)).toISOString();
}

const newest = (points: readonly RecoveryPointRow[]): string | null =>
  points.length === 0 ? null : new Date(Math.max(...points.map(({ pointInTime }) => pointInTime.getTime()))).toISOString();

function lastRun(serverId: string, kind: 'image' | 'data', newestFirst: readonly RunRow[]): LastBackupRun | null {
  const run = newestFirst.find((candidate) => candidate.serverId === serverId && candidate.kind === `backup-${kind}` && isFinal(candidate.state));
  if (run?.finishedAt == null) return null;
  return {
    serverId,
    kind,
    runId: run.id,
    state: run.state as LastBackupRun['state'],
    finishedAt: run.finishedAt.toISOString(),
    errorCode: run.error?.code ?? null,
  };
}
