import type { ServerRecord } from '../../catalog/catalog';
import type { CatalogCopyState } from '../../contracts/catalog-copy';
import { STEP_SECONDS, type CatalogFigures, type RecoveryPointFigures, type StepFigures } from '../../contracts/figures';
import { runKind } from '../../contracts/api/run';
import { FINDING_SEVERITIES } from '../../contracts/plan';
import { BREACH_CODES, type EstateStatus } from '../../contracts/protection-status';
import { isFinal, RUN_OUTCOMES, type RunKind } from '../../contracts/run';
import { bringsBack } from '../../domain/steps/shared-steps';
import type { Family, Sample } from './exposition';

/** A repository as it was found just now. */
export interface RepositoryFigures {
  readonly name: string;
  /** null: it cannot be used now. */
  readonly freeBytes: number | null;
}

export interface ProcessFigures {
  readonly version: string;
  readonly startedAtSeconds: number;
  readonly residentBytes: number;
}

export interface Measured {
  readonly figures: CatalogFigures;
  readonly servers: readonly ServerRecord[];
  readonly repositories: readonly RepositoryFigures[];
  readonly status: EstateStatus;
  readonly copies: readonly CatalogCopyState[];
  readonly process: ProcessFigures;
}

/**
 * All metrics of Modosu. Labels hold names that people have declared and nothing that grows with time: no ids of runs. Every declared server and data set, and
 * every outcome of a run, has its line from the first moment on, with 0 where there is nothing yet: an alarm can tell "never" from "not asked", and sees the
 * first failure as a change. Of a decommissioned server there is only what is left of it: its recovery points.
 */
export function metricFamilies({ figures, servers, repositories, status, copies, process }: Measured): readonly Family[] {
  const nameOf = new Map(servers.map(({ id, name }) => [id, name]));
  const outOfService = new Set(servers.filter(({ decommissioned }) => decommissioned !== null).map(({ id }) => id));
  const recoveries = figures.recoveries.flatMap(({ serverId, kind, recoverySeconds, lostSeconds }) => {
    const server = nameOf.get(serverId);
    return server === undefined || outOfService.has(serverId) ? [] : [{ labels: { server, kind }, recoverySeconds, lostSeconds }];
  });
  const protectedThings = servers.flatMap((server) => thingsOf(server, figures.recoveryPoints));
  const restored = bytesRestored(figures.steps);
  return [
    gauge('modosu_build_info', 'Version of the API.', [{ labels: { version: process.version }, value: 1 }]),
    gauge('process_start_time_seconds', 'Start of the API process, in seconds since 1970.', [{ value: process.startedAtSeconds }]),
    gauge('process_resident_memory_bytes', 'Memory of the API process.', [{ value: process.residentBytes }]),
    counter(
      'modosu_runs_total',
      'Runs that have ended, by kind and outcome.',
      runKind.options.flatMap((kind) =>
        RUN_OUTCOMES.map((outcome) => ({
          labels: { kind, outcome },
          value: figures.runs.find((run) => run.kind === kind && run.state === outcome)?.count ?? 0,
        })),
      ),
    ),
    gauge(
      'modosu_runs_open',
      'Runs that are accepted or running.',
      figures.runs.filter(({ state }) => !isFinal(state)).map(({ kind, state, count }) => ({ labels: { kind, state }, value: count })),
    ),
    gauge('modosu_runs_waiting', 'Runs that wait for a person.', [{ value: figures.waiting }]),
    {
      name: 'modosu_step_duration_seconds',
      type: 'histogram',
      help: 'How long steps took, by kind of run, sort of step and how it ended.',
      samples: figures.steps.flatMap(histogram),
    },
    counter(
      'modosu_restore_bytes_total',
      'Bytes that restores have brought back.',
      [...restored].map(([kind, value]) => ({ labels: { kind }, value })),
    ),
    gauge('modosu_servers', 'Declared servers, by whether they are in service.', [
      { labels: { state: 'in-service' }, value: servers.length - outOfService.size },
      { labels: { state: 'decommissioned' }, value: outOfService.size },
    ]),
    gauge(
      'modosu_last_usable_recovery_point_timestamp_seconds',
      'Point in time of the newest usable recovery point; 0: there is none.',
      protectedThings.filter(({ declared }) => declared).map(({ labels, points }) => ({ labels, value: (points?.newestUsable?.getTime() ?? 0) / 1000 })),
    ),
    gauge(
      'modosu_last_offsite_copy_timestamp_seconds',
      'Point in time of the newest that can be restored from a copy elsewhere; of data the oldest of its data sets; 0: there is none.',
      status.servers.flatMap(({ serverName, things }) =>
        (['image', 'data'] as const).flatMap((kind) => {
          const own = things.filter((thing) => thing.kind === kind);
          if (own.length === 0) return [];
          const oldest = Math.min(...own.map(({ offsiteAt }) => (offsiteAt === null ? 0 : Date.parse(offsiteAt) / 1000)));
          return [{ labels: { server: serverName, kind }, value: oldest }];
        }),
      ),
    ),
    gauge(
      'modosu_recovery_points',
      'Recovery points, by whether they can be used.',
      protectedThings.flatMap(({ labels, points }) => [
        { labels: { ...labels, state: 'usable' }, value: points?.usable ?? 0 },
        { labels: { ...labels, state: 'damaged' }, value: points?.damaged ?? 0 },
        { labels: { ...labels, state: 'expired' }, value: points?.expired ?? 0 },
      ]),
    ),
    gauge(
      'modosu_rto_seconds',
      'What the newest measured restore took, from the accepted request until the server was back.',
      recoveries.map(({ labels, recoverySeconds }) => ({ labels, value: recoverySeconds })),
    ),
    gauge(
      'modosu_rpo_seconds',
      'What the newest measured restore lost, from the point in time to the incident.',
      recoveries.flatMap(({ labels, lostSeconds }) => (lostSeconds === null ? [] : [{ labels, value: lostSeconds }])),
    ),
    gauge(
      'modosu_breaches',
      'Promises of policies that are not kept now, by server and code.',
      status.servers.flatMap(({ serverName, breaches }) =>
        BREACH_CODES.map((code) => ({ labels: { server: serverName, code }, value: breaches.filter((breach) => breach.code === code).length })),
      ),
    ),
    gauge(
      'modosu_comes_back_alone',
      'Whether the peers of a server would accept its newest image, as it was judged last: 1 for its verdict, 0 for the others; only of servers that rules judge.',
      status.servers.flatMap(({ serverName, comeback }) =>
        comeback === null
          ? []
          : FINDING_SEVERITIES.map((verdict) => ({ labels: { server: serverName, verdict }, value: comeback.verdict === verdict ? 1 : 0 })),
      ),
    ),
    gauge(
      'modosu_last_judgement_timestamp_seconds',
      'When that was judged last; 0: never.',
      status.servers.flatMap(({ serverName, comeback }) =>
        comeback === null ? [] : [{ labels: { server: serverName }, value: comeback.judgedAt === null ? 0 : Math.round(Date.parse(comeback.judgedAt) / 1000) }],
      ),
    ),
    gauge('modosu_due_backups_waiting', 'Backups that schedules have asked for and that have not begun.', [{ value: status.dueWaiting }]),
    gauge('modosu_ways_back_open', 'Ways back whose old volumes or data are kept.', [{ value: figures.wayBacks.open }]),
    gauge('modosu_ways_back_expired', 'Open ways back whose time is over; more than 0 for long: they are not being removed.', [
      { value: figures.wayBacks.expired },
    ]),
    gauge(
      'modosu_repository_forecast_bytes_per_day',
      'By how much the image repository fills each day, in the long run.',
      status.repositories.flatMap(({ name, bytesPerDay }) => (bytesPerDay === null ? [] : [{ labels: { repository: name }, value: bytesPerDay }])),
    ),
    gauge(
      'modosu_repository_forecast_full_timestamp_seconds',
      'When the image repository is full if that goes on.',
      status.repositories.flatMap(({ name, fullAt }) =>
        fullAt === null ? [] : [{ labels: { repository: name }, value: Math.round(Date.parse(fullAt) / 1000) }],
      ),
    ),
    gauge(
      'modosu_catalog_copy_timestamp_seconds',
      'When the catalogue was last copied into the image repository, or beside the off-site one; 0: never.',
      copies.map(({ kind, name, copiedAt }) => ({
        labels: { kind, repository: name },
        value: copiedAt === null ? 0 : Math.round(Date.parse(copiedAt) / 1000),
      })),
    ),
    gauge(
      'modosu_repository_up',
      'Whether the image repository can be used now, seen from the API.',
      repositories.map(({ name, freeBytes }) => ({ labels: { repository: name }, value: freeBytes === null ? 0 : 1 })),
    ),
    gauge(
      'modosu_repository_free_bytes',
      'Room left in the image repository.',
      repositories.flatMap(({ name, freeBytes }) => (freeBytes === null ? [] : [{ labels: { repository: name }, value: freeBytes }])),
    ),
  ];
}

const gauge = (name: string, help: string, samples: readonly Sample[]): Family => ({ name, type: 'gauge', help, samples });
const counter = (name: string, help: string, samples: readonly Sample[]): Family => ({ name, type: 'counter', help, samples });

interface MeasuredThing {
  /** One that is not declared any more gets no new recovery points, and nobody waits for any. */
  readonly declared: boolean;
  readonly labels: { readonly server: string; readonly kind: string; readonly data_set: string };
  readonly points: RecoveryPointFigures | null;
}

/** The image of a server, every data set that it declares, and those that it declared once while recovery points of them are there; when it is decommissioned only these. */
function thingsOf({ id, name, protection, decommissioned }: ServerRecord, all: readonly RecoveryPointFigures[]): readonly MeasuredThing[] {
  const own = all.filter(({ serverId }) => serverId === id);
  const declared = new Set(decommissioned === null ? [null, ...protection.dataSets.map((dataSet) => dataSet.name)] : []);
  return [...new Set([...declared, ...own.map(({ dataSet }) => dataSet)])].map((dataSet) => ({
    declared: declared.has(dataSet),
    labels: { server: name, kind: dataSet === null ? 'image' : 'data', data_set: dataSet ?? '' },
    points: own.find((points) => points.dataSet === dataSet) ?? null,
  }));
}

function histogram({ kind, step, state, count, seconds, within }: StepFigures): readonly Sample[] {
  const labels = { kind, step, outcome: state };
  return [
    ...STEP_SECONDS.map((limit, index) => ({ suffix: '_bucket', labels: { ...labels, le: String(limit) }, value: within[index] ?? 0 })),
    { suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: count },
    { suffix: '_sum', labels, value: seconds },
    { suffix: '_count', labels, value: count },
  ];
}

function bytesRestored(steps: readonly StepFigures[]): ReadonlyMap<RunKind, number> {
  const bytes = new Map<RunKind, number>([
    ['restore-server', 0],
    ['restore-data', 0],
  ]);
  for (const step of steps) {
    if ((step.kind !== 'restore-server' && step.kind !== 'restore-data') || step.state !== 'succeeded' || !bringsBack(step.step)) continue;
    bytes.set(step.kind, (bytes.get(step.kind) ?? 0) + step.bytes);
  }
  return bytes;
}
