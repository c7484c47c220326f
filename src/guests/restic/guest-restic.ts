import { isModosuError, ModosuError } from '../../contracts/errors';
import type { DataAccess } from '../../contracts/data';
import { cleanWords, namesOf } from '../../contracts/text';
import { resticOutcome } from '../../domain/restic-outcome';
import type { CommandResult, GuestAgent } from '../guest-agent';
import { checkedRunId } from '../files/run-ids';
import { findFiles } from '../files/find-files';
import { endLeftovers, mustRunInGuest, runInGuest, type GuestWork } from '../guest-process';
import { bytesMoved, placeCertificate, probe, resticError, runRestic } from './restic-program';
import { isExcluded } from './restic-patterns';
import { readSnapshotId, readSummary, unreadableFiles, type ResticSummary } from './restic-answers';

export { probe } from './restic-program';
export { clearTarget, restore, type ResticRestore } from './restic-restore';

export interface ResticBackup {
  readonly access: DataAccess;
  /** Absolute, without `..` and doubled slashes. Each has to be there. */
  readonly paths: readonly [string, ...string[]];
  /** restic's patterns. */
  readonly excludes: readonly string[];
  /** The caller's; that of the run is added. */
  readonly tags: readonly string[];
  /** What restic takes for the host's name: the server's id, whatever the guest calls itself. */
  readonly host: string;
  readonly runId: string;
  /**
   * Tells the full id of a snapshot of this run from its beginning, which is all that restic before 0.17 says; null: it is not found. Without it restic in the
   * guest is asked once more, which costs a derivation of its key there.
   */
  readonly fullId?: (beginning: string) => Promise<string | null>;
}

export interface ResticBackupResult {
  /** restic's full id. */
  readonly snapshotId: string;
  readonly files: number;
  readonly totalBytes: number;
  /** Bytes that were new to the repository. */
  readonly addedBytes: number;
  /** Files that changed while they were read, in words for people: at most 20, and one line more that counts the rest. */
  readonly problems: readonly string[];
  /** Version in the guest. */
  readonly restic: string;
}

/** By this tag what belongs to a run is found again: snapshots, and programs that an earlier attempt has left running. */
export const runTag = (runId: string): string => `modosu-run=${runId}`;

/** What restores have put aside is no data of the server. */
const ALWAYS_EXCLUDED = '.modosu-restore-*';
const ATTEMPTS = 3;
const MAX_PROBLEMS = 20;
const MAX_LIST_BYTES = 4 * 1024 * 1024;

/**
 * Saves files of the guest. Called again with the same run id, it ends what an earlier attempt has left running and begins anew: a second snapshot with the
 * same tags is harmless, only the one that is returned counts. Throws `RESTIC_MISSING`, `RESTIC_UNSUPPORTED`, `DATA_PATH_MISSING`, `DATA_INCOMPLETE` (some file
 * could not be read in three attempts), `DATA_REPOSITORY_LOCKED`, `DATA_REPOSITORY_UNREACHABLE`, `DATA_REPOSITORY_KEY_WRONG`, `DATA_REPOSITORY_MISSING`,
 * `GUEST_DISK_FULL`, `DATA_BACKUP_FAILED` with restic's words.
 */
export async function backup(agent: GuestAgent, request: ResticBackup, { signal, onProgress }: GuestWork): Promise<ResticBackupResult> {
  const { access, paths } = request;
  const tag = runTag(checkedRunId(request.runId));
  const { version } = await probe(agent, signal);
  await endLeftovers(agent, 'restic', tag, signal);
  await checkPaths(agent, paths, signal);
  await placeCertificate(agent, access, 'DATA_BACKUP_FAILED', signal);

  const marker = `/run/modosu-${request.runId}.started`;
  await mustRunInGuest(agent, { argv: ['touch', '--', marker] }, 'DATA_BACKUP_FAILED', { signal });
  try {
    const totalBytes = await measure(agent, paths, { signal, onProgress });
    let doneBytes = 0;
    const onTick = async (pid: number): Promise<void> => {
      const seen = await bytesMoved(agent, pid, 'rchar');
      doneBytes = Math.max(doneBytes, Math.min(seen ?? 0, totalBytes));
      onProgress?.({ doneBytes, totalBytes });
    };
    const summary = await saveWhole(agent, request, tag, version, { signal, onTick });
    // What was measured counts directories too: never back from what people have seen.
    doneBytes = Math.max(doneBytes, summary.totalBytes);
    onProgress?.({ doneBytes, totalBytes: doneBytes });
    const problems = await changedSince(agent, marker, request, signal);
    const snapshotId = await fullIdOf(agent, request, summary.snapshotId, tag, version, signal);
    return { snapshotId, files: summary.files, totalBytes: summary.totalBytes, addedBytes: summary.addedBytes, problems, restic: version };
  } finally {
    await agent.exec(['rm', '-f', '--', marker], { timeoutMs: 10_000 }).catch(() => undefined);
  }
}

/** restic skips what is not there and says nothing; of a path that is a symbolic link it saves the link alone. */
async function checkPaths(agent: GuestAgent, paths: readonly string[], signal: AbortSignal): Promise<void> {
  for (const path of paths) {
    const { exitCode, stdout, stderr } = await runInGuest(agent, { argv: ['stat', '-c', '%F', '--', path] }, { signal });
    if (exitCode !== 0) {
      throw new ModosuError('DATA_PATH_MISSING', `The declared path ${namesOf([path])} is not in the guest: ${cleanWords(stderr)}`, {
        context: { path: cleanWords(path) },
      });
    }
    if (stdout.trim() !== 'symbolic link') continue;
    throw new ModosuError('DATA_PATH_MISSING', `The declared path ${namesOf([path])} is a symbolic link: nothing behind it would be saved.`, {
      hint: 'Declare what the link points to.',
      context: { path: cleanWords(path) },
    });
  }
}

/** Bytes under the paths, also of what is excluded; 0: could not be told. */
async function measure(agent: GuestAgent, paths: readonly string[], { signal, onProgress }: GuestWork): Promise<number> {
  const onTick = (): void => onProgress?.({ doneBytes: 0, totalBytes: 0 });
  for (const [option, unit] of [
    ['-scb', 1],
    ['-sck', 1024],
  ] as const) {
    const { stdout } = await runInGuest(agent, { argv: ['du', option, '--', ...paths] }, { signal, onTick, maxOutputBytes: MAX_LIST_BYTES });
    // What vanishes meanwhile makes it end badly; the sum is right all the same.
    const total = Number(/^(\d{1,15})\ttotal$/m.exec(stdout)?.[1] ?? Number.NaN) * unit;
    if (Number.isSafeInteger(total)) return total;
  }
  return 0;
}

/** A file that vanishes while restic works makes one attempt incomplete, and the next one whole. */
async function saveWhole(
  agent: GuestAgent,
  request: ResticBackup,
  tag: string,
  version: string,
  options: { readonly signal: AbortSignal; readonly onTick: (pid: number) => Promise<void> },
): Promise<ResticSummary> {
  const { access, paths, excludes, tags, host } = request;
  const args = [
    ...['backup', '--json', '--host', host],
    ...[...tags, tag].flatMap((one) => ['--tag', one]),
    ...[...excludes, ALWAYS_EXCLUDED].flatMap((pattern) => ['--exclude', pattern]),
    ...['--', ...paths],
  ];
  for (let attempt = 1; ; attempt += 1) {
    const result = await runRestic(agent, access, args, options).catch((error: unknown): never => {
      // An agent that was restarted has forgotten the program: nobody knows how it ended, and the next attempt makes good for it.
      if (!isModosuError(error) || error.code !== 'AGENT_COMMAND_FAILED') throw error;
      throw new ModosuError('DATA_BACKUP_FAILED', `The guest agent lost sight of restic: ${cleanWords(error.message)}`, { cause: error });
    });
    const outcome = resticOutcome({ version, ...result });
    if (outcome === 'ok') {
      const summary = readSummary(result.stdout);
      if (summary !== null) return summary;
      throw new ModosuError('DATA_BACKUP_FAILED', 'restic in the guest ended well, but its summary cannot be read.', { context: { restic: version } });
    }
    if (outcome !== 'partial') throw resticError('save the files', version, result, access, 'DATA_BACKUP_FAILED');
    if (attempt === ATTEMPTS) throw incomplete(result, access);
  }
}

function incomplete(result: CommandResult, access: DataAccess): ModosuError {
  const names = unreadableFiles(`${result.stderr}\n${result.stdout}`, access.secrets);
  return new ModosuError('DATA_INCOMPLETE', `restic could not read ${names.length === 0 ? 'some files' : namesOf(names)}, in ${ATTEMPTS} attempts.`, {
    context: { files: names.slice(0, 5).map((name) => cleanWords(name, 120)) },
  });
}

/** Names of files that were written after the marker. That a file was read before or after its change cannot be told: it may hold both. */
async function changedSince(agent: GuestAgent, marker: string, { paths, excludes }: ResticBackup, signal: AbortSignal): Promise<string[]> {
  const tests = (newer: string): string[] => ['-name', ALWAYS_EXCLUDED, '-prune', '-o', '-type', 'f', newer, marker];
  let found = await findFiles(agent, paths, tests('-cnewer'), ['-fprint0'], MAX_LIST_BYTES, { signal }).catch((error: unknown) => {
    if (isModosuError(error) && error.code === 'GUEST_PROGRAM_MISSING') return null;
    throw error;
  });
  if (found === null || /unrecognized/.test(found.stderr)) {
    // The find of busybox knows only times of contents, and writes no files.
    const result = await runInGuest(agent, { argv: ['find', ...paths, ...tests('-newer'), '-print0'] }, { signal, maxOutputBytes: MAX_LIST_BYTES });
    found = { ...result, text: result.stdout };
  }
  const { truncated } = found;
  const names = found.text
    .split('\0')
    .slice(0, -1)
    .filter((path) => !isExcluded(path, excludes));
  const shown = names.slice(0, MAX_PROBLEMS).map((path) => `${cleanWords(path, 200)} changed while it was saved`);
  const more = names.length - shown.length;
  return more > 0 || truncated ? [...shown, `${truncated ? 'more than ' : ''}${more} other files changed as well`] : shown;
}

/** restic 0.14 to 0.16 tell the beginning of the id alone. */
async function fullIdOf(agent: GuestAgent, { access, fullId }: ResticBackup, id: string, tag: string, version: string, signal: AbortSignal): Promise<string> {
  if (id.length === 64) return id;
  const notFound = (): ModosuError =>
    new ModosuError('DATA_BACKUP_FAILED', `restic in the guest has made a snapshot ${id}, but it is not found.`, { context: { restic: version } });
  if (fullId !== undefined) {
    const told = await fullId(id);
    if (told === null) throw notFound();
    return told;
  }
  const result = await runRestic(agent, access, ['snapshots', '--json', '--no-lock', id], { signal });
  if (resticOutcome({ version, ...result }) !== 'ok') throw resticError('look up the snapshot', version, result, access, 'DATA_BACKUP_FAILED');
  const found = readSnapshotId(result.stdout, id, tag);
  if (found === null) throw notFound();
  return found;
}
