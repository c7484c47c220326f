import type { DataChange, DataSelection, KeptData } from '../../contracts/data';
import { formatBytes, formatDuration } from '../../contracts/format';
import type { DataRestorePlanBody, Estimate, RecoveryLoss, RestorePlanView } from '../../contracts/plan';
import { dataCredentialsText } from './credentials';
import { ago, blocks, findingsText, identityFields, indented, lossesText, nextText, section, stepsText } from './plan-parts';
import type { Printer } from './printer';
import { dataSetText } from './protection';
import { fields, plain, table, utc } from './text';

/** What a responder reads before data comes back: into which server, from when, what is put where, what is lost. */
export function dataPlanText(plan: RestorePlanView, body: DataRestorePlanBody, printer: Printer, now: Date): string {
  const command = `modosu restore run ${plan.id} --reason "WHY" --confirm ${plain(body.server.name)} --wait`;
  const mayRun = plan.state === 'ready' && !blocks(body);
  return [
    `Data restore plan ${plan.id}`,
    section('Into this running server; compare before you go on', fields(identityFields(body.server, body.before), '  ')),
    section('From this recovery point', recoveryPoint(body, now)),
    section('What comes back', fields([['selected', selectionText(body.selection)]], '  ')),
    section('Findings', findingsText(body.findings, printer)),
    section('What changes', changesText(body.changes)),
    ...(body.credentials === undefined ? [] : [section('Credentials', dataCredentialsText(body.credentials, now))]),
    section('What goes back in time or is lost', lossesText(body.losses)),
    section('Loss and time', `${lossAndTime(body.loss, body.estimate)}`),
    section('Steps', stepsText(body.steps)),
    section('Plan hash', `  ${plan.hash ?? '-'}`),
    section(
      'Next',
      [nextText(plan, body, command, printer), ...(mayRun ? ['  what is replaced is kept: `modosu run undo RUN` brings it back'] : [])].join('\n'),
    ),
  ].join('\n\n');
}

const recoveryPoint = ({ recoveryPoint: point }: DataRestorePlanBody, now: Date): string =>
  fields(
    [
      ['id', point.id],
      ['data set', dataSetText(point.dataSet)],
      ['point in time', ago(point.pointInTime, now)],
      ['snapshot', point.snapshotId],
      ['reason', point.reason],
    ],
    '  ',
  );

export function selectionText(selection: DataSelection): readonly string[] {
  if (selection.kind === 'files') {
    return [
      ...(selection.paths.length === 0 ? ['everything of the data set'] : selection.paths),
      selection.replace ? 'files that differ are replaced' : 'files that exist stay as they are',
    ];
  }
  if (selection.whole) return [`the whole database ${selection.database}`];
  return [
    `of the database ${selection.database}:`,
    ...selection.tables.map(({ schema, name }) => `table ${schema}.${name}`),
    ...selection.schemas.map((schema) => `schema ${schema}`),
    selection.replace ? 'tables that exist get these rows' : 'tables that exist stay; these land beside, to compare',
  ];
}

const EFFECTS = { added: 'added', replaced: 'REPLACED', beside: 'beside', kept: 'stays', untouched: 'untouched' } as const satisfies Record<
  DataChange['effect'],
  string
>;

export function changesText(changes: readonly DataChange[]): string {
  if (changes.length === 0) return '  nothing';
  const rows = changes.map(({ effect, what, count, bytes, rows: counted, examples }) => [
    EFFECTS[effect],
    what,
    String(count),
    bytes === null ? '-' : formatBytes(bytes),
    counted === undefined ? '-' : `${counted.now ?? '?'} -> ${counted.then ?? '?'}`,
    examples.slice(0, 3).join(', '),
  ]);
  return indented(table(['EFFECT', 'WHAT', 'COUNT', 'SIZE', 'ROWS', 'SUCH AS'], rows));
}

/** RPO and RTO of a plan. */
export const lossAndTime = (loss: RecoveryLoss | undefined, estimate: Estimate): string =>
  fields(
    [
      ...(loss === undefined ? [] : [['lost (RPO)', `${formatDuration(loss.seconds)}: from ${utc(loss.pointInTime)} to ${utc(loss.incidentAt)}`] as const]),
      [
        'takes (RTO)',
        estimate === null
          ? 'no estimate yet: fewer than three measured restores'
          : `${formatDuration(estimate.p50Seconds)} to ${formatDuration(estimate.p90Seconds)}, based on ${estimate.basedOnRuns} runs`,
      ],
    ],
    '  ',
  );

/** What a data restore has kept in the guest, line by line. */
export function keptDataText(kept: KeptData): readonly string[] {
  if (kept.kind === 'files') return [`${kept.added} added, ${kept.replaced} replaced`, ...kept.directories];
  return [
    ...(kept.keptDatabase === null ? [] : [`database ${kept.database}: the replaced one is now ${kept.keptDatabase}`]),
    ...(kept.added.length === 0 ? [] : [`added: ${kept.added.join(', ')}`]),
    ...(kept.replaced.length === 0
      ? []
      : [`replaced: ${kept.replaced.join(', ')}${kept.keptSchema === null ? '' : `, their rows are kept in the schema ${kept.keptSchema}`}`]),
    ...(kept.restoredSchema === null ? [] : [`restored beside, in the schema ${kept.restoredSchema}`]),
  ];
}
