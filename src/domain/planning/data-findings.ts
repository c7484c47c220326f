import type { DataChange, KeptData } from '../../contracts/data';
import type { Finding, UndoSurvey } from '../../contracts/plan';
import type { ServerInspection } from '../../contracts/server';
import { cleanWords } from '../../contracts/text';

/** What people should know before files are brought back into a running server, or taken back. What concerns databases: `postgresql/findings`. */

const MAX_EVIDENCE = 20;

export const serverAlive: Finding = {
  code: 'SERVER_ALIVE',
  severity: 'ok',
  message: 'The server is running and its guest agent answers: the data comes back while it runs on.',
  evidence: [],
};

export const agentSilent = ({ powerState, agent }: Pick<ServerInspection, 'powerState' | 'agent'>): Finding => ({
  code: 'AGENT_SILENT',
  severity: 'block',
  message: 'The guest agent does not answer: data is brought back by programs that run in the guest.',
  remedy: 'Start the server and its guest agent, or restore the whole server (--scenario server).',
  evidence: [`power state ${powerState}`, `agent ${agent.state}`],
});

/** What a look at the files has found against bringing them back. */
export interface FileTroubles {
  /** There were more files than could be listed. */
  readonly truncated: boolean;
  /** Words of the guest's programs about what could not be looked at, cleaned. */
  readonly problems: readonly string[];
  /** Paths at which something of another type stands. */
  readonly conflicts: readonly string[];
  /** Paths that are no UTF-8. */
  readonly unnameable: readonly string[];
}

export function fileFindings({ conflicts, unnameable, truncated, problems }: FileTroubles): readonly Finding[] {
  const findings: Finding[] = [];
  if (truncated) {
    findings.push({
      code: 'TOO_MANY_FILES',
      severity: 'block',
      message: 'There are more files in the guest than can be compared.',
      remedy: 'Choose a part of the data set with --path.',
      evidence: [],
    });
  }
  if (problems.length > 0) findings.push({ code: 'FILES_NOT_READABLE', severity: 'warn', message: 'Not everything could be looked at.', evidence: problems });
  if (conflicts.length > 0) {
    findings.push({
      code: 'FILE_TYPE_DIFFERS',
      severity: 'warn',
      message: `${conflicts.length === 1 ? 'One file stays' : `${conflicts.length} files stay`} as ${conflicts.length === 1 ? 'it is' : 'they are'}: something of another type stands in the place.`,
      remedy: 'Move what stands there away, then plan again.',
      evidence: some(conflicts),
    });
  }
  if (unnameable.length > 0) {
    findings.push({
      code: 'FILE_NAME_NOT_UTF8',
      severity: 'warn',
      message: `${unnameable.length === 1 ? 'One file' : `${unnameable.length} files`} cannot be put in place: the name is no UTF-8, which a guest agent cannot be told.`,
      remedy: 'Restore them by hand with restic in the guest.',
      evidence: some(unnameable),
    });
  }
  return findings;
}

const some = (paths: readonly string[]): readonly string[] => paths.slice(0, MAX_EVIDENCE).map((path) => cleanWords(path));

export function fileLosses(changes: readonly DataChange[]): readonly string[] {
  const replaced = changes.filter(({ effect }) => effect === 'replaced').reduce((sum, { count }) => sum + count, 0);
  return replaced === 0
    ? []
    : [
        `${replaced === 1 ? 'One file that differs goes' : `${replaced} files that differ go`} back to the recovery point; what stands there now is kept until \`modosu run confirm\`.`,
      ];
}

/** Undoing a restore of files. `written`: restored files that were written since, as far as they were counted. */
export function describeFilesUndo(
  kept: Extract<KeptData, { kind: 'files' }>,
  written: { readonly changed: number; readonly examples: readonly string[]; readonly atLeast: boolean },
): NonNullable<UndoSurvey['data']> {
  const { changed, examples, atLeast } = written;
  const changes: readonly DataChange[] = [
    { effect: 'replaced', what: 'files that were replaced', count: kept.replaced, bytes: kept.keptBytes, examples: [] },
    { effect: 'kept', what: 'files that were added: moved away, not deleted', count: kept.added, bytes: null, examples: [] },
  ];
  if (changed === 0) return { changes, findings: [], losses: [] };
  return {
    changes: [...changes, { effect: 'kept', what: 'files written since', count: changed, bytes: null, examples }],
    findings: [],
    losses: [
      `${atLeast ? 'At least ' : ''}${changed} restored ${changed === 1 ? 'file was' : 'files were'} written since: moved away with what was written, back when the undo is undone.`,
    ],
  };
}
