import type { ServerRecord } from '../../src/catalog/catalog';
import type { OffsiteCopyRow, PolicyRow, RecoveryPointRow, RunRow, VerificationRow } from '../../src/catalog/entities';
import type { ChangesToImage } from '../../src/catalog/due-backup-row';
import { provenAt } from '../../src/catalog/recovery-point-chain';
import type { DueBackupView } from '../../src/contracts/due-backup';
import type { BootEvidence, LastBackupRun, NewestRecoveryPoint, OffsiteEvidence, ProtectionFacts } from '../../src/contracts/protection-status';
import { isAhead } from '../../src/domain/clock-skew';
import { isFinal } from '../../src/contracts/run';

/** What the estate's protection is judged by, from the catalogue in memory. */
export function protectionFacts(
  servers: readonly ServerRecord[],
  points: readonly RecoveryPointRow[],
  runs: readonly RunRow[],
  waiting: readonly DueBackupView[],
  policyOf: (server: ServerRecord) => PolicyRow | null,
  bootsOf: (serverId: string) => readonly VerificationRow[],
  bootPromisedSince: (serverId: string) => Date | null,
  now: Date,
  changed: (server: ServerRecord) => ChangesToImage | null,
  offsite: { readonly places: ProtectionFacts['offsite']; readonly copies: readonly OffsiteCopyRow[] },
  judgements: ProtectionFacts['judgements'],
): ProtectionFacts {
  const promisedSince = (server: ServerRecord): Date | null => policyOf(server)?.verificationSince ?? null;
  const newestFirst = [...runs].sort((a, b) => b.requestedAt.getTime() - a.requestedAt.getTime() || (a.id < b.id ? 1 : -1));
  return {
    copies: servers.flatMap((server) => copiesOf(server, policyOf(server), points, offsite.copies, now)),
    offsite: offsite.places,
    judgements,
    boots: servers.flatMap((server) => bootEvidence(server, policyOf(server), bootPromisedSince(server.id), bootsOf(server.id))),
    newest: servers.flatMap((server) =>
      newestOf(
        server,
        points
          .map((point) => ({ ...point, verifiedAt: provenAt(point, (id) => points.find((one) => one.id === id)) }))
          .filter(({ serverId, purpose, pointInTime }) => serverId === server.id && purpose !== 'safety' && !isAhead(pointInTime, now)),
        promisedSince,
      ),
    ),
    lastRuns: servers.flatMap(({ id }) => (['image', 'data'] as const).flatMap((kind) => lastRun(id, kind, newestFirst) ?? [])),
    waiting: [...waiting].sort((a, b) => (a.notBefore < b.notBefore ? -1 : 1)),
    changes: servers.flatMap((server) => {
      const due = changed(server);
      return due === null ? [] : [{ serverId: server.id, since: due.notBefore.toISOString(), titles: due.titles }];
    }),
    recoverySeconds: servers.flatMap(({ id }) => {
      const run = newestFirst.find(
        ({ serverId, kind, state, recoverySeconds }) => serverId === id && kind === 'restore-server' && state === 'succeeded' && recoverySeconds !== null,
      );
      return run?.recoverySeconds == null ? [] : [{ serverId: id, seconds: run.recoverySeconds }];
    }),
  };
}

function bootEvidence(
  { id: serverId }: ServerRecord,
  policy: PolicyRow | null,
  promisedSince: Date | null,
  ended: readonly VerificationRow[],
): readonly BootEvidence[] {
  if (policy?.verification?.boot == null || promisedSince === null) return [];
  const boots = ended.filter(({ ofNewest }) => ofNewest === true);
  const at = ({ finishedAt }: VerificationRow): string => finishedAt?.toISOString() ?? '';
  const passed = boots.find(({ state }) => state === 'passed');
  const last = boots.find(({ state }) => state === 'passed' || state === 'failed');
  const { code, message } = last?.error ?? { code: '', message: '' };
  return [
    {
      serverId,
      promisedSince: promisedSince.toISOString(),
      passed: passed === undefined ? null : { at: at(passed), recoveryPointId: passed.recoveryPointId ?? '', seconds: passed.boot?.seconds ?? 0 },
      failed: last?.state === 'failed' ? { at: at(last), verificationId: last.id, recoveryPointId: last.recoveryPointId ?? '', code, message } : null,
    },
  ];
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

function copiesOf(
  server: ServerRecord,
  policy: PolicyRow | null,
  points: readonly RecoveryPointRow[],
  copies: readonly OffsiteCopyRow[],
  now: Date,
): readonly OffsiteEvidence[] {
  const own = points.filter(({ serverId, purpose, pointInTime }) => serverId === server.id && purpose !== 'safety' && !isAhead(pointInTime, now));
  const isWhole = (point: RecoveryPointRow | undefined, offsite: string): boolean =>
    point !== undefined &&
    copies.some((copy) => copy.recoveryPointId === point.id && copy.offsite === offsite && copy.state === 'copied') &&
    (point.parentId === null ||
      isWhole(
        points.find(({ id }) => id === point.parentId),
        offsite,
      ));
  const places = [...new Set(copies.map(({ offsite }) => offsite))];
  const subjects = [...new Set(own.map(({ kind, dataSet }) => JSON.stringify([kind, dataSet])))].sort();
  return subjects.map((subject) => {
    const group = own.filter(({ kind, dataSet }) => JSON.stringify([kind, dataSet]) === subject);
    const [{ kind, dataSet } = { kind: 'image' as const, dataSet: null }] = group;
    const promised = policy?.offsite ?? null;
    const there = promised === null ? [] : group.filter((point) => isWhole(point, promised.repository));
    const newestThere = Math.max(...there.map(({ pointInTime }) => pointInTime.getTime()), -Infinity);
    const later = group
      .filter(({ state, pointInTime }) => state === 'usable' && pointInTime.getTime() > newestThere)
      .map(({ publishedAt }) => publishedAt.getTime());
    const isPromised = promised !== null && promised[kind] && later.length > 0;
    const problems = group
      .toSorted((a, b) => b.pointInTime.getTime() - a.pointInTime.getTime())
      .flatMap(({ id }) => copies.filter((copy) => copy.recoveryPointId === id && copy.offsite === promised?.repository && copy.state !== 'copied'))
      .flatMap(({ problem, state }) => (problem === null || state === 'deleted' ? [] : [problem]));
    return {
      serverId: server.id,
      kind,
      dataSet,
      newestAt: newest(group.filter((point) => places.some((place) => isWhole(point, place)))),
      uncopiedSince: isPromised ? new Date(Math.max(Math.min(...later), policy?.offsiteSince?.getTime() ?? 0)).toISOString() : null,
      problem: problems[0] ?? null,
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
