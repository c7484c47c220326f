import type { FoundProblem, RebuildReport } from '../../contracts/catalog-copy';
import { cleanWords } from '../../contracts/text';

/** What names and messages of repositories reach the terminal with. */
const MAX_LENGTH = 500;
const clean = (text: string): string => cleanWords(text, MAX_LENGTH);

/** Nothing is missing, everything was looked at, and the audit that was read back is intact. */
export const isComplete = ({ missing, notLooked, audit }: RebuildReport): boolean => missing.length === 0 && notLooked.length === 0 && audit?.intact !== false;

export function rebuildText(report: RebuildReport): string {
  const {
    copy,
    withoutCopy,
    rows,
    secrets,
    audit,
    interruptedRuns,
    servers,
    recoveryPoints,
    copiesAdded,
    offsiteOnly,
    missing,
    orphans,
    notLooked,
    away,
    isDryRun,
  } = report;
  const lines = [
    ...(isDryRun ? ['Nothing was changed: this is what would be.'] : []),
    ...(withoutCopy === null ? [] : [`Without a copy of the catalogue (${withoutCopy}): no policies, no holds, no history.`]),
    ...(copy === null ? [] : [`Catalogue of ${copy.header.madeAt}, from ${clean(copy.repository)}: ${rowsText(rows)}.`]),
    ...(secrets.restored > 0 ? [`Secrets that came back: ${secrets.restored}.`] : []),
    ...(secrets.kept.length > 0 ? [`Secrets that are others here, and stay: ${secrets.kept.map(clean).join(', ')}.`] : []),
    ...(audit === null ? [] : [auditText(audit)]),
    `Servers in the repositories: ${servers.found}${servers.added.length === 0 ? '' : `, of which only they told: ${servers.added.map(clean).join(', ')}`}.`,
    `Recovery points: ${recoveryPoints.known} known, ${recoveryPoints.added} added.`,
    ...(copiesAdded > 0 ? [`Copies off-site that were not recorded: ${copiesAdded}.`] : []),
    ...listed(
      'Runs that were under way, and that nobody carries on',
      interruptedRuns.map(({ runId, kind, serverName }) => `${kind} of ${clean(serverName)}: ${runId}`),
    ),
    ...problems(
      'Added, and only off-site: `modosu restore plan NAME --scenario server --from OFFSITE` fetches them, or `modosu recovery-point fetch ID --from OFFSITE --reason TEXT`',
      offsiteOnly,
    ),
    ...problems('Known, and not there: not usable until a verification finds them', missing),
    ...problems('There, and of no use as they are; nothing of it was touched', orphans),
    ...problems('Not looked at', notLooked),
    ...problems('Media that are not connected, and may hold more: connect them, then `modosu catalog compare`', away),
    ...(isDryRun || (copy === null && withoutCopy === null)
      ? []
      : ['', 'Next: `modosu doctor`, `modosu status`, then apply your estate file; make tokens anew (`modosu token create`): none came back.']),
  ];
  return `${lines.join('\n')}\n`;
}

export const copiesText = (copies: readonly { readonly copy: string; readonly madeAt: string; readonly host: string; readonly path: string }[]): string =>
  copies.map(({ copy, madeAt, host, path }) => `${copy.slice(0, 8)}  ${madeAt}  ${clean(host)}  ${path}\n`).join('');

const rowsText = (rows: RebuildReport['rows']): string =>
  Object.entries(rows)
    .filter(([, count]) => count > 0)
    .map(([table, count]) => `${table.replaceAll('_', ' ')} ${count}`)
    .join(', ') || 'it was empty';

const auditText = ({ file, entries, intact, problem }: NonNullable<RebuildReport['audit']>): string =>
  `Audit of before: ${entries} entries, ${intact ? 'intact' : `NOT intact (${problem ?? 'unknown'})`}, in ${file}.`;

const problems = (title: string, found: readonly FoundProblem[]): readonly string[] =>
  listed(
    title,
    found.map(({ where, what }) => `${clean(where)}: ${clean(what)}`),
  );

const listed = (title: string, items: readonly string[]): readonly string[] => (items.length === 0 ? [] : [`${title}:`, ...items.map((item) => `  ${item}`)]);
