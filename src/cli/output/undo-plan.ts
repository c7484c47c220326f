import { formatBytes } from '../../contracts/format';
import type { RestorePlanView, UndoPlanBody } from '../../contracts/plan';
import { changesText, keptDataText } from './data';
import { ago, findingsText, identityFields, indented, lossesText, nextText, section, stateText, stepsText } from './plan-parts';
import type { Printer } from './printer';
import { dataSetText } from './protection';
import { fields, plain, table } from './text';

/** What a responder reads before an undo: which server, what is undone, what it returns to, what would be lost, what will happen. */
export function undoPlanText(plan: RestorePlanView, body: UndoPlanBody, printer: Printer, now: Date): string {
  const command = `modosu run undo ${body.undoes.runId} --plan ${plan.id} --reason "WHY" --confirm ${plain(body.server.name)} --wait`;
  return [
    `Undo plan ${plan.id}`,
    section('This server is put back; compare before you go on', fields(identityFields(body.server, body.before), '  ')),
    section('What is undone', undone(body, now)),
    ...(body.data == null ? [section('What it returns to', returnsTo(body))] : []),
    section('Findings', findingsText(body.findings, printer)),
    section('What would be lost', lossesText(body.losses)),
    body.data == null
      ? section('Volumes', volumes(body))
      : section(
          'Data that goes back',
          [
            fields(
              [
                ['data set', dataSetText(body.data.record.dataSet)],
                ['kept', keptDataText(body.data.record.kept)],
              ],
              '  ',
            ),
            changesText(body.data.changes),
          ].join('\n'),
        ),
    section('Steps', stepsText(body.steps)),
    section('Plan hash', `  ${plan.hash ?? '-'}`),
    section('Next', nextText(plan, body, command, printer)),
  ].join('\n\n');
}

const undone = ({ undoes }: UndoPlanBody, now: Date): string =>
  fields(
    [
      ['run', undoes.runId],
      ['kind', undoes.kind],
      ['reason', undoes.reason],
      ['replaced', ago(undoes.swappedAt, now)],
      ['went live', undoes.wentLiveAt === null ? 'no: its production network has never been up' : ago(undoes.wentLiveAt, now)],
    ],
    '  ',
  );

const change = ({ now, then }: { readonly now: string | null; readonly then: string | null }): string => `${now ?? 'none'} -> ${then ?? 'none'}`;

const returnsTo = ({ returnsTo: state, generationId, lineage }: UndoPlanBody): string =>
  fields(
    [
      ['state', stateText(state)],
      ['generation id', change(generationId)],
      ['lineage', change(lineage)],
    ],
    '  ',
  );

function volumes(body: UndoPlanBody): string {
  const rows = body.volumes.map(({ target, presentPath, returnsToPath, writtenBytes }) => [
    target,
    writtenBytes === null ? '-' : formatBytes(writtenBytes),
    presentPath ?? 'none',
    returnsToPath === null ? 'no such disk then' : returnsToPath === presentPath ? 'stays as it is' : returnsToPath,
  ]);
  return indented(table(['DISK', 'WRITTEN SINCE START', 'NOW (KEPT FOR A REDO)', 'RETURNS TO'], rows));
}
