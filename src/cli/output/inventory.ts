import type { EstateChange } from '../../contracts/estate';
import type { ServerDetailView } from '../../contracts/api/server';
import type { ServerView } from '../../contracts/server';
import { describeAge, formatBytes } from '../../contracts/format';
import { diskRole, type Protection } from '../../contracts/protection';
import { PRUNED_SUBJECTS } from '../../contracts/prune';
import type { DataRecoveryPointView, ImageRecoveryPointView, RecoveryPointView } from '../../contracts/recovery-point';
import type { ServerInspection } from '../../contracts/server';
import { credentialsText } from './credentials';
import type { Printer } from './printer';
import { dataSetText, nicRole, protectionFields } from './protection';
import { errorText } from './runs';
import { fields, padEnd, plain, table, utc } from './text';
import { wayBackLine } from './way-backs';
import { copiesShort, copyLines } from './offsite';
import { bootedText, verifiedText } from './verifications';

export const serverTable = (servers: readonly ServerView[]): string =>
  table(
    ['NAME', 'STATE', 'ID', 'HYPERVISOR', 'DOMAIN', 'REPOSITORY', 'POLICY', 'UUID'],
    servers.map(({ name, decommissioned, id, hypervisor, domainName, repository, policy, uuid }) => [
      name,
      decommissioned === null ? 'in service' : 'decommissioned',
      id,
      hypervisor,
      domainName,
      repository,
      policy ?? '-',
      uuid,
    ]),
  );

/** What somebody has decided about a server, and what follows from it. */
export const decommissionedText = (server: ServerView): string => `Server ${plain(server.name)}\n${fields([stateField(server)], '  ')}`;

const stateField = ({ decommissioned }: ServerView): Field => [
  'state',
  decommissioned === null
    ? 'in service'
    : [
        `DECOMMISSIONED by ${decommissioned.by} at ${utc(decommissioned.at)}: ${decommissioned.reason}`,
        `nothing backs it up; what is left of it is protected until ${utc(decommissioned.protectsUntil)} (${decommissioned.keepDays} days), then no rule keeps it`,
      ],
];

export function serverText(server: ServerDetailView, printer: Printer, now: Date): string {
  const newest = server.newestRecoveryPoint;
  const card = fields(
    [
      ['id', server.id],
      stateField(server),
      ['UUID', server.uuid],
      ['hypervisor', server.hypervisor],
      ['domain', server.domainName],
      ['repository', server.repository],
      ['policy', server.policy ?? 'NONE: nothing is backed up by itself'],
      ['stop time-out', `${server.stopTimeoutSeconds} s`],
      ['agent time-out', `${server.agentTimeoutSeconds} s`],
      ...protectionFields(server.protection),
      [
        'newest image',
        newest === null ? 'NONE: this server cannot be restored' : `${newest.id}, generation ${newest.generation}, ${describeAge(newest.pointInTime, now)} old`,
      ],
      ...(server.protection.dataSets.length === 0
        ? []
        : [['newest data', server.protection.dataSets.map(({ name }) => newestDataText(server, name, now))] as const]),
      ['open run', server.openRunId ?? 'none'],
      ['kept by restores', server.wayBacks.length === 0 ? 'nothing' : [formatBytes(server.keptBytes), ...server.wayBacks.map(wayBackLine)]],
    ],
    '  ',
  );
  const now_ = server.inspection === null ? [] : [inspectionText(server.inspection, server.protection)];
  const failed = server.inspectionError === null ? [] : [`The hypervisor could not say how the server is now\n${errorText(server.inspectionError, printer)}`];
  return [`Server ${plain(server.name)}\n${card}`, ...now_, ...failed].join('\n\n');
}

function inspectionText(inspection: ServerInspection, protection: Protection): string {
  const { agent, nvram } = inspection;
  const card = fields(
    [
      ['power', inspection.powerState],
      ['guest agent', agent.version === null ? agent.state : `${agent.state}, version ${agent.version}`],
      ['domain type', inspection.domainType],
      ['memory, CPUs', `${formatBytes(inspection.memoryBytes)}, ${inspection.vcpus}`],
      ['firmware', nvram === null ? inspection.firmware : `${inspection.firmware}, NVRAM ${nvram.path}`],
      ['generation id', inspection.generationId ?? 'none'],
      [
        'NIC',
        inspection.nics.length === 0
          ? 'none'
          : inspection.nics.map(
              ({ mac, type, source, linkUp }) =>
                `${mac} ${type}${source === null ? '' : ` ${source}`}, ${nicRole(protection, mac)}${linkUp ? '' : ', LINK DOWN'}`,
            ),
      ],
      ['removable', inspection.removableMedia.length === 0 ? 'none' : inspection.removableMedia.map(({ target, source }) => `${target} ${source ?? 'empty'}`)],
    ],
    '  ',
  );
  const disks = table(
    ['DISK', 'ROLE', 'FORMAT', 'SIZE', 'ALLOCATED', 'FILE', 'BELOW IT'],
    inspection.disks.map((disk) => [
      disk.target,
      diskRole(protection, disk.target),
      disk.format,
      formatBytes(disk.virtualSizeBytes),
      formatBytes(disk.allocatedBytes),
      disk.path,
      disk.backingChain.length === 0 ? 'nothing' : disk.backingChain.map(({ path }) => path).join(' < '),
    ]),
  );
  const whole = inspection.disks.filter(({ holdsCheckpoints }) => holdsCheckpoints === false).map(({ target }) => target);
  const everyTime =
    whole.length === 0
      ? []
      : [`  Whole in every image, however little has changed: ${whole.join(', ')} (only a qcow2 disk of version 3 can hold a checkpoint).`];
  const refusals = inspection.refusals.map(({ code, message, hint }) => `  ${plain(code)}: ${plain(message)}\n    hint: ${plain(hint)}`);
  const image = refusals.length === 0 ? 'An image of it can be taken.' : ['An image of it cannot be taken:', ...refusals].join('\n');
  return [
    `Now\n${card}`,
    disks
      .split('\n')
      .map((row) => `  ${row}`)
      .concat(everyTime)
      .join('\n'),
    image,
  ].join('\n\n');
}

function newestDataText({ newestData }: ServerDetailView, name: string, now: Date): string {
  const newest = newestData.find(({ dataSet }) => dataSet === name);
  return newest === undefined ? `${name}: NONE` : `${name}: ${newest.id}, ${describeAge(newest.pointInTime, now)} old`;
}

/** What an image builds on is named by its generation where that is shown as well: ids are long. */
function imageText({ generation, parentId }: ImageRecoveryPointView, generations: ReadonlyMap<string, number>): string {
  if (parentId === null) return `generation ${generation}, full`;
  const parent = generations.get(parentId);
  return `generation ${generation}, ${parent === undefined ? 'incremental' : `builds on ${parent}`}`;
}

export function recoveryPointTable(points: readonly RecoveryPointView[]): string {
  const generations = new Map(points.flatMap((point) => (point.kind === 'image' ? [[point.id, point.generation] as const] : [])));
  return table(
    ['ID', 'SERVER', 'KIND', 'WHAT', 'POINT IN TIME', 'CONSISTENCY', 'STATE', 'VERIFICATION', 'OFF-SITE', 'SIZE', 'REASON'],
    points.map((point) => [
      point.id,
      point.serverName,
      point.kind,
      point.kind === 'image' ? imageText(point, generations) : `data set ${point.dataSet}${point.purpose === 'safety' ? ', before a restore' : ''}`,
      utc(point.pointInTime),
      point.kind === 'image' ? point.consistency : '-',
      point.state,
      point.verification.state,
      copiesShort(point.copies ?? []),
      formatBytes(point.sizeBytes),
      point.hold === null ? point.reason : `${point.reason} (held: ${point.hold.reason})`,
    ]),
  );
}

function stateText({ id, state, expiredAt, deletesAt, deletedAt }: RecoveryPointView): string {
  if (state === 'expired') {
    const until = deletesAt === null ? 'is not removed yet' : `is deleted after ${utc(deletesAt)}`;
    return `expired at ${utc(expiredAt)}: no rule keeps it; it ${until}; \`modosu recovery-point hold ${id} --reason TEXT\` has it back`;
  }
  return state === 'deleted' ? `deleted at ${utc(deletedAt)}` : state;
}

export function recoveryPointText(point: RecoveryPointView, now: Date): string {
  const card = fields(
    [
      ['server', `${point.serverName} (${point.serverId})`],
      ['kind', point.kind],
      ['state', stateText(point)],
      ['verification', verifiedText(point.verification)],
      ...(point.kind === 'image' ? [['booted', bootedText(point.verification.boot)] as const] : []),
      ...(point.copies === undefined ? [] : [['off-site', copyLines(point.copies)] as const]),
      ['point in time', utc(point.pointInTime)],
      ['published', utc(point.publishedAt)],
      ['size', formatBytes(point.sizeBytes)],
      ...(point.kind === 'image' ? imageFields(point) : dataFields(point)),
      ['reason', point.reason],
      ['run', point.runId],
      ...(point.hold === null ? [] : [['held', `by ${point.hold.by} since ${utc(point.hold.at)}: ${point.hold.reason}`] as const]),
    ],
    '  ',
  );
  return [`Recovery point ${point.id}\n${card}`, ...credentialsText(point.credentials ?? [], now)].join('\n\n');
}

type Field = readonly [string, string | readonly string[]];

const imageFields = (point: ImageRecoveryPointView): readonly Field[] => [
  ['generation', String(point.generation)],
  ['holds', point.parentId === null ? 'all of its disks: a full' : 'what has changed: an incremental'],
  ...(point.parentId === null ? [] : [['builds on', point.parentId] as const]),
  ['consistency', point.consistency],
  ...(point.setId === null ? [] : [['backup set', point.setId] as const]),
  ['repository', point.repository],
  ['disks', point.disks.map((disk) => `${disk.target}: ${formatBytes(disk.virtualSizeBytes)}, ${formatBytes(disk.storedBytes)} stored`)],
  ['lineage', point.lineageId],
];

function dataFields(point: DataRecoveryPointView): readonly Field[] {
  const { content } = point;
  const holds: readonly Field[] =
    content.kind === 'files'
      ? [
          ['paths', content.paths],
          ['files', String(content.files)],
          ...(content.problems.length === 0 ? [] : [['changed while read', content.problems] as const]),
        ]
      : [
          ['engine', `PostgreSQL ${content.engineVersion}`],
          [
            'databases',
            content.databases.map(({ name, tables, rows, sizeBytes }) => `${name}: ${tables} tables, ${rows} rows, dump ${formatBytes(sizeBytes)}`),
          ],
        ];
  const saved: readonly Field[] = point.purpose === 'safety' ? [['saved', 'before a restore: never chosen by itself, only by its id']] : [];
  return [['data set', dataSetText(point.declared)], ...saved, ['snapshot', point.snapshotId], ['added', formatBytes(point.addedBytes)], ...holds];
}

const noteLines = (note: string | undefined): readonly string[] => (note === undefined ? [] : [`          hint: ${plain(note)}`]);

/** The difference an estate file makes, in words. */
export function changesText(changes: readonly EstateChange[]): string {
  const shown = changes.filter(({ change, note }) => change !== 'unchanged' || note !== undefined);
  const unchanged = changes.length - shown.length;
  const lines = shown.flatMap(({ change, subject, name, fields: changed, note }) => {
    const remark = change === 'kept' ? `  (not in the file; ${PRUNED_SUBJECTS.includes(subject) ? 'deleted only with --prune' : 'nothing is removed'})` : '';
    return [`${padEnd(change, 7)} ${padEnd(subject, 10)} ${plain(name)}${remark}`, ...changed.map((field) => `          ${plain(field)}`), ...noteLines(note)];
  });
  if (unchanged > 0) lines.push(`${unchanged} unchanged`);
  return lines.length === 0 ? 'The estate file declares nothing.' : lines.join('\n');
}
