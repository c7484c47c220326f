import type { RecordedChange } from '../../contracts/change';
import type { FactSection, FactSectionDiff } from '../../contracts/facts';
import type { DefinitionDiff, DefinitionLine, GenerationDefinition } from '../../contracts/definition';
import { formatBytes } from '../../contracts/format';
import type { FactsState, GenerationView, ShownGeneration, ShownGenerationDiff } from '../../contracts/generation';
import { credentialsText } from './credentials';
import { fields, plain, table, utc } from './text';

export const generationTable = (generations: readonly GenerationView[]): string =>
  table(
    ['GENERATION', 'RECOVERY POINT', 'STATE', 'POINT IN TIME', 'LINE', 'CHANGES', 'NEWEST CHANGE', 'FACTS', 'REASON'],
    generations.map((one) => [
      String(one.generation),
      one.recoveryPointId,
      one.state,
      utc(one.pointInTime),
      one.isOnPresentLine ? 'present' : 'left',
      changesCount(one),
      one.changes?.contained.at(-1)?.title ?? '-',
      factsWord(one.facts),
      one.reason,
    ]),
  );

const changesCount = ({ changes }: GenerationView): string => {
  if (changes === null) return 'unknown';
  const contained = String(changes.contained.length + changes.more);
  return changes.partly.length === 0 ? contained : `${contained}, ${changes.partly.length} partly`;
};

const factsWord = (facts: FactsState): string => {
  if (facts.state === 'missing') return 'none';
  const gaps = facts.failed.length + facts.truncated.length;
  return gaps === 0 ? String(facts.entries) : `${facts.entries}, ${gaps} kinds INCOMPLETE`;
};

export function generationText(one: ShownGeneration, now: Date): string {
  const { facts } = one;
  const card = fields(
    [
      ['server', `${one.serverName} (${one.serverId})`],
      ['recovery point', `${one.recoveryPointId} (${one.state})`],
      ['point in time', `${utc(one.pointInTime)}, ${one.consistency}`],
      ['reason', one.reason],
      ['line', one.isOnPresentLine ? 'of the disks that the server has now' : 'the server has other disks now: it was restored since, or a restore was undone'],
      ['facts', facts.state === 'missing' ? `none: ${facts.why}` : `${facts.entries} (${facts.family}), collected ${utc(facts.collectedAt)}`],
    ],
    '  ',
  );
  return [
    `Generation ${one.generation} of ${plain(one.serverName)}\n${card}`,
    changesText(one),
    ...credentialsText(one.credentials, now),
    hardwareText(one.definition),
    ...(one.sections ?? []).map(sectionText),
  ].join('\n\n');
}

function changesText({ changes }: GenerationView): string {
  if (changes === null) return 'Changes: not known; an earlier version has taken the image.';
  const { contained, partly, more } = changes;
  const lines = [
    ...contained.map((change) => `  ${changeLine(change)}`),
    ...(more === 0 ? [] : [`  and ${more} older ones`]),
    ...partly.map((change) => `  PARTLY: ${changeLine(change)}`),
  ];
  return lines.length === 0 ? 'Changes: none is registered.' : `Changes:\n${lines.join('\n')}`;
}

const changeLine = ({ id, title, ticket, completedAt }: RecordedChange): string =>
  `${plain(title)}${ticket === null ? '' : ` (${plain(ticket)})`}, ${completedAt === null ? 'open when the image was taken' : `complete ${utc(completedAt)}`}  ${id}`;

function hardwareText(definition: GenerationDefinition): string {
  if (definition.state === 'not-read') return `Definition: NOT READ (${plain(`${definition.code}: ${definition.why}`)})`;
  const { vcpus, memoryBytes, machine, firmware, generationId, disks, nics } = definition.summary;
  const lines = fields(
    [
      ['vCPUs', vcpus === null ? 'not known' : String(vcpus)],
      ['memory', memoryBytes === null ? 'not known' : formatBytes(memoryBytes)],
      ['machine', machine ?? 'not known'],
      ['firmware', firmware.toUpperCase()],
      ['generation id', generationId ?? 'none'],
      ...disks.map(({ target, device, bus, source }): readonly [string, string] => [
        device === 'disk' ? 'disk' : plain(device),
        `${target}${bus === null ? '' : ` (${bus})`}  ${source ?? '-'}`,
      ]),
      ...nics.map(({ mac, type, source }): readonly [string, string] => ['NIC', `${mac ?? 'no address'}  ${type}${source === null ? '' : ` ${source}`}`]),
    ],
    '  ',
  );
  return `Definition\n${lines}`;
}

/** All of a definition, a line at a time. */
export const definitionText = (xml: string): string => xml.split('\n').map(plain).join('\n');

function sectionText(section: FactSection): string {
  if (section.state === 'failed') return `${section.kind}: NOT COLLECTED (${plain(`${section.error.code}: ${section.error.message}`)})`;
  const lines = section.entries.map(({ key, value }) => `  ${plain(key)}  ${plain(value)}`);
  return [`${section.kind} (${section.entries.length}${section.truncated ? ', and MORE' : ''})`, ...lines].join('\n');
}

export function generationDiffText({ serverName, before, after, summary, facts, definition }: ShownGenerationDiff): string {
  const head = `Generation ${before.generation} (${utc(before.pointInTime)}) and ${after.generation} (${utc(after.pointInTime)}) of ${plain(serverName)}`;
  const words = summary.length === 0 ? ['  no difference that is known of'] : summary.map((sentence) => `  ${plain(sentence)}`);
  return [[head, ...words].join('\n'), ...(facts?.sections ?? []).flatMap(sectionDiffText), definitionDiffText(definition)].join('\n\n');
}

function sectionDiffText(section: FactSectionDiff): readonly string[] {
  const changed = section.changed.map(({ key, before, after }) => `  ~ ${plain(key)}  ${plain(before)} -> ${plain(after)}`);
  if (section.state === 'incomplete') {
    const why =
      section.gap.reason === 'truncated'
        ? 'there was more than is kept'
        : `not collected (${section.gap.side}${section.gap.code === null ? '' : `, ${plain(section.gap.code)}`})`;
    return [[`${section.kind}: NOT COMPARED AS A WHOLE: ${why}`, ...changed].join('\n')];
  }
  const lines = [
    ...section.removed.map(({ key, value }) => `  - ${plain(key)}  ${plain(value)}`),
    ...section.added.map(({ key, value }) => `  + ${plain(key)}  ${plain(value)}`),
    ...changed,
  ];
  return lines.length === 0 ? [] : [[section.kind, ...lines].join('\n')];
}

const SIGNS: Readonly<Record<DefinitionLine['kind'], string>> = { same: ' ', removed: '-', added: '+' };

function definitionDiffText(definition: DefinitionDiff): string {
  if (definition.state === 'not-compared') {
    const why = definition.notRead.map((one) => `that of generation ${one.generation} was not read (${plain(`${one.code}: ${one.why}`)})`);
    return `Definition: NOT COMPARED: ${why.join('; ')}`;
  }
  const { parts, more, hiddenDiffers } = definition;
  if (parts.length === 0) return `Definition: ${hiddenDiffers ? 'unchanged in what is shown; values that are not shown DIFFER' : 'unchanged'}`;
  return [
    'Definition',
    parts.map((part) => part.map(({ kind, text }) => `  ${SIGNS[kind]} ${plain(text)}`).join('\n')).join('\n  ...\n'),
    ...(more === 0 ? [] : [`  and ${more} MORE lines that differ`]),
    ...(hiddenDiffers ? ['  Values that are not shown differ, too.'] : []),
  ].join('\n');
}
