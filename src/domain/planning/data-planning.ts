import type { DataChoice, DataPlanSource } from '../../contracts/activities/planning';
import type { PlannedCredential } from '../../contracts/credential';
import type { DataSelection } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import type { DataRestorePlanBody, DataSurvey, Finding, RecoveryLoss } from '../../contracts/plan';
import type { DataRecoveryPointView } from '../../contracts/recovery-point';
import type { DataRestoreItem } from '../../contracts/workflows';
import { dataRestoreSteps } from '../steps/data-steps';
import { dataCredentialFindings } from './credential-findings';
import { planCredentials } from './credential-planning';
import { estimateDuration } from './estimate';
import { filesBesidePeers, type SharedState } from './files-beside-peers';
import { serviceFindings } from './service-findings';

/** What a restore of data will do, and which data follows an image. Pure: the same input and moment give the same. */

/** What is lost: a point in time after the incident loses nothing. */
export function recoveryLoss(pointsInTime: readonly string[], incidentAt: string | null, now: Date): RecoveryLoss {
  const incident = incidentAt === null ? now.getTime() : Date.parse(incidentAt);
  const oldest = Math.min(...pointsInTime.map((time) => Date.parse(time)));
  return {
    incidentAt: new Date(incident).toISOString(),
    pointInTime: new Date(oldest).toISOString(),
    seconds: Math.max(0, Math.round((incident - oldest) / 100) / 10),
  };
}

/** The last moment that a recovery point can hold: files are read one after the other, until it is published; a database as it was at one moment. */
export const heldUntil = ({ content, pointInTime, publishedAt }: Pick<DataRecoveryPointView, 'content' | 'pointInTime' | 'publishedAt'>): string =>
  content.kind === 'files' ? publishedAt : pointInTime;

/** Throws `DATA_NOT_IN_RECOVERY_POINT` when the recovery point cannot hold what is asked for. */
export function requireSelectable(point: DataRecoveryPointView, selection: DataSelection): void {
  const missing = whatIsMissing(point, selection);
  if (missing === null) return;
  throw new ModosuError('DATA_NOT_IN_RECOVERY_POINT', `Recovery point ${point.id} of the data set "${point.dataSet}" ${missing}`, {
    context: { recoveryPointId: point.id, dataSet: point.dataSet },
  });
}

function whatIsMissing({ content }: DataRecoveryPointView, selection: DataSelection): string | null {
  if (content.kind !== selection.kind) return `holds ${content.kind === 'files' ? 'files, not databases' : 'databases, not files'}.`;
  if (selection.kind === 'files') {
    const { paths } = content.kind === 'files' ? content : { paths: [] };
    const outside = selection.paths.find((path) => !paths.some((declared) => path === declared || path.startsWith(declared === '/' ? '/' : `${declared}/`)));
    return outside === undefined ? null : `does not hold ${outside}: it holds ${paths.join(', ')}.`;
  }
  const names = content.kind === 'postgresql' ? content.databases.map(({ name }) => name) : [];
  return names.includes(selection.database) ? null : `does not hold a database "${selection.database}": it holds ${names.join(', ')}.`;
}

/** Everything of a recovery point, for a server that was just restored from its image: an item for each database. */
export function wholeItems(point: DataRecoveryPointView): readonly DataRestoreItem[] {
  const { content, id: recoveryPointId, snapshotId, declared: dataSet } = point;
  if (content.kind === 'files') return [{ dataSet, recoveryPointId, snapshotId, content, selection: { kind: 'files', paths: [], replace: true } }];
  return content.databases.map(({ name }) => ({
    dataSet,
    recoveryPointId,
    snapshotId,
    content,
    selection: { kind: 'postgresql', database: name, tables: [], schemas: [], whole: true, replace: true },
  }));
}

/**
 * The newest suitable data of one data set after an image: usable, and not older than the image. What the software in the image can load is judged by the
 * version that the last recovery point before the image names; where there is none, it shows in quarantine.
 *
 * @param usable newest first
 */
export function chooseData(
  name: string,
  usable: readonly DataRecoveryPointView[],
  image: { readonly pointInTime: string },
  request: { readonly noData: boolean; readonly incidentAt: string | null; readonly keepsDisks: boolean },
): readonly DataChoice[] {
  const newestAt = usable[0]?.pointInTime ?? null;
  const nothing = (why: DataChoice['why']): readonly DataChoice[] => [{ dataSet: name, planned: null, why, newestAt, engine: null }];
  if (request.noData) return nothing('left-out');
  if (request.keepsDisks) return nothing('disks-kept');
  if (usable.length === 0) return nothing('none');
  const until = request.incidentAt === null ? Infinity : Date.parse(request.incidentAt);
  const chosen = usable.find((point) => Date.parse(heldUntil(point)) <= until && Date.parse(point.pointInTime) >= Date.parse(image.pointInTime));
  if (chosen === undefined) return nothing('older');
  const before = usable.find(({ pointInTime }) => Date.parse(pointInTime) <= Date.parse(image.pointInTime));
  const engine =
    chosen.content.kind === 'postgresql'
      ? { dump: chosen.content.engineMajor, image: before?.content.kind === 'postgresql' ? before.content.engineMajor : null }
      : null;
  return wholeItems(chosen).map((item) => ({ dataSet: name, planned: { item, pointInTime: chosen.pointInTime }, why: 'newest' as const, newestAt, engine }));
}

/** What people should know about the data that follows an image. */
export function dataFindings(choices: readonly DataChoice[], image: { readonly pointInTime: string }): readonly Finding[] {
  return choices.flatMap((choice): readonly Finding[] => {
    const { dataSet, planned, why, newestAt, engine } = choice;
    if (planned !== null) {
      if (engine !== null && engine.image !== null && engine.dump > engine.image) {
        return [
          {
            code: 'DATABASE_ENGINE_TOO_OLD',
            severity: 'block',
            message: `Data set "${dataSet}" was dumped by PostgreSQL ${engine.dump}; the image most likely holds version ${engine.image}, which cannot load it.`,
            remedy: 'Choose a newer image (--recovery-point), or restore the image alone (--no-data), upgrade the database, and restore the data afterwards.',
            evidence: [`recovery point ${planned.item.recoveryPointId}`],
          },
        ];
      }
      const evidence = [`recovery point ${planned.item.recoveryPointId}`];
      const follows: Finding = {
        code: 'DATA_FOLLOWS',
        severity: 'ok',
        message: `Data set "${dataSet}" follows the image, as it was at ${planned.pointInTime}.`,
        evidence,
      };
      if (planned.item.content.kind !== 'files') return [follows];
      return [
        { ...follows, message: `Files of data set "${dataSet}" follow the image, as they were at ${planned.pointInTime}.` },
        {
          code: 'FILES_OVER_IMAGE',
          severity: 'warn',
          message: `The files of "${dataSet}" are put over those of the image while the restored server runs in its quarantine: files that only the image has stay, and a program that holds its files open goes on with the old ones.`,
          remedy:
            'Restart the programs that use these files before the server goes live: restore with --hold. A program that keeps a journal beside its files may have to be checked.',
          evidence,
        },
        ...tooManyFiles(dataSet, planned.item.content.files),
      ];
    }
    if (why === 'left-out') {
      return [
        {
          code: 'DATA_LEFT_OUT',
          severity: 'warn',
          message: `Data set "${dataSet}" stays as the image holds it: --no-data.`,
          evidence: newestAt === null ? [] : [`newest recovery point ${newestAt}`],
        },
      ];
    }
    if (why === 'disks-kept') {
      return [
        {
          code: 'DATA_DISKS_KEPT',
          severity: 'warn',
          message: `Data set "${dataSet}" is not restored: disks are kept, and what lies on them is newer than any recovery point. What lies on the disks that go back is as old as the image.`,
          remedy: `If it lies on a disk that goes back, restore it afterwards: modosu restore plan NAME --scenario data --data-set ${dataSet}.`,
          evidence: newestAt === null ? [] : [`newest recovery point ${newestAt}`],
        },
      ];
    }
    return [
      {
        code: why === 'none' ? 'DATA_NONE' : 'DATA_OLDER_THAN_IMAGE',
        severity: 'warn',
        message:
          why === 'none'
            ? `Data set "${dataSet}" has no usable recovery point: it stays as the image holds it.`
            : `Every suitable recovery point of data set "${dataSet}" is older than the image, which holds newer data.`,
        remedy: 'Take data backups daily: `modosu backup data NAME --reason TEXT`.',
        evidence: [`image ${image.pointInTime}`, ...(newestAt === null ? [] : [`newest data ${newestAt}`])],
      },
    ];
  });
}

/** Of so many a guest tells where they stand, with paths of some 200 characters. Directories, and what only the image has, count too. */
export const MOST_FILES = 200_000;

const tooManyFiles = (dataSet: string, files: number): readonly Finding[] =>
  files <= MOST_FILES
    ? []
    : [
        {
          code: 'TOO_MANY_FILES',
          severity: 'block',
          message: `Data set "${dataSet}" has ${files} files: more than ${MOST_FILES} cannot be compared in a guest at once.`,
          remedy: 'Restore the image alone (--no-data), then the data in parts: modosu restore plan NAME --scenario data --data-set NAME --path PATH.',
          evidence: [],
        },
      ];

/** The plan of a data restore into the running server. `shared`: of the server's state with others, as the catalogue knows it. */
export function planDataRestore(source: DataPlanSource, survey: DataSurvey, now: Date, shared: readonly SharedState[] = []): DataRestorePlanBody {
  const { point, item, selection } = source;
  const { present } = survey;
  const credentials = rememberedCredentials(source, survey);
  return {
    planId: source.planId,
    runId: source.runId,
    scenario: 'data',
    server: {
      serverId: source.serverId,
      name: source.serverName,
      uuid: source.uuid,
      hypervisor: source.hypervisor,
      domainName: present.domainName,
      macs: present.nics.map(({ mac }) => mac),
      powerState: present.powerState,
    },
    recoveryPoint: {
      id: point.id,
      dataSet: item.dataSet,
      pointInTime: point.pointInTime,
      snapshotId: point.snapshotId,
      reason: point.reason,
      content: point.content,
    },
    selection,
    changes: survey.changes,
    before: { powerState: present.powerState, agent: present.agent.state },
    steps: dataRestoreSteps(item),
    findings: [
      ...serviceFindings(source),
      ...afterIncident(heldUntil(point), source.incidentAt),
      ...problemFindings(point),
      ...(point.content.kind === 'files' ? filesBesidePeers(source.serverName, point.dataSet, shared) : []),
      ...survey.findings,
      ...dataCredentialFindings(credentials, now),
    ],
    losses: survey.losses,
    loss: recoveryLoss([point.pointInTime], source.incidentAt, now),
    ...(credentials.length === 0 ? {} : { credentials }),
    estimate: estimateDuration(source.measuredRecoverySeconds),
    createdAt: now.toISOString(),
  };
}

/** Nobody has asked where a plan was begun by an earlier version. */
const rememberedCredentials = ({ point, credentials: declared = [] }: DataPlanSource, { credentials: surveyed }: DataSurvey): readonly PlannedCredential[] =>
  surveyed === undefined ? [] : planCredentials({ declared, remembered: point.credentials ?? [], surveyed, pointInTime: point.pointInTime, mayBeSet: false });

/** Chosen by people; by itself nothing is taken that may hold what is to be mended. */
export function afterIncident(pointInTime: string, incidentAt: string | null): readonly Finding[] {
  if (incidentAt === null || Date.parse(pointInTime) <= Date.parse(incidentAt)) return [];
  return [
    {
      code: 'RECOVERY_POINT_AFTER_INCIDENT',
      severity: 'warn',
      message: `The recovery point reaches to ${pointInTime}, after the incident at ${incidentAt}: it may hold what is to be mended.`,
      remedy: 'Choose one from before the incident, or leave the choice to Modosu.',
      evidence: [],
    },
  ];
}

/** Files that changed while they were read may be torn. */
function problemFindings({ content, pointInTime }: DataRecoveryPointView): readonly Finding[] {
  if (content.kind !== 'files' || content.problems.length === 0) return [];
  return [
    {
      code: 'FILES_CHANGED_WHILE_READ',
      severity: 'warn',
      message: `${content.problems.length === 1 ? 'A file' : `${content.problems.length} files`} changed while the recovery point of ${pointInTime} was taken and may be torn.`,
      remedy: 'Look at them after the restore, or choose another recovery point.',
      evidence: content.problems.slice(0, 20),
    },
  ];
}
