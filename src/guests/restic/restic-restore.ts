import type { DataAccess } from '../../contracts/data';
import { isModosuError, ModosuError } from '../../contracts/errors';
import { cleanWords, namesOf } from '../../contracts/text';
import { resticOutcome } from '../../domain/restic-outcome';
import { checkedRunId } from '../files/run-ids';
import { endLeftovers, mustRunInGuest, runInGuest, type GuestWork } from '../guest-process';
import { inBatches } from '../files/many-paths';
import type { GuestAgent } from '../guest-agent';
import { bytesMoved, placeCertificate, probe, resticError, runRestic } from './restic-program';
import { asPattern } from './restic-patterns';

export interface ResticRestore {
  readonly access: DataAccess;
  readonly snapshotId: string;
  /** Absolute paths in the snapshot, each with everything below it; at least one. */
  readonly include: readonly [string, ...string[]];
  /**
   * Directory in the guest, ours alone: its name, or that of a directory above it, has the run id in it. Removed first, and after a failure. In it stand the
   * full paths.
   */
  readonly target: string;
  readonly runId: string;
  /** What will be written: for progress. */
  readonly expectedBytes: number;
}

const REMOVE_WITHIN_MS = 10 * 60_000;
const MAX_LOOKED_AT = 50;
/** As shells count: 128 and the signal's number. */
const ENDED_BY_SIGNAL = 128;

/**
 * Brings files of a snapshot into a directory of the guest, beside everything else. Idempotent: what an earlier attempt of the run has left is ended and
 * removed first. After a failure or an abort nothing stays. Throws `RESTIC_MISSING`, `RESTIC_UNSUPPORTED`, `GUEST_DISK_FULL`, `RECOVERY_POINT_CORRUPT`, the
 * errors of the repository as `backup` does, `GUEST_PROGRAM_LOST` when it was ended from outside, `PATH_NOT_ALLOWED` for a target that is not the run's, and
 * `DATA_RESTORE_FAILED` with restic's words, or when something that was asked for has not arrived.
 */
export async function restore(agent: GuestAgent, request: ResticRestore, { signal, onProgress }: GuestWork): Promise<void> {
  const { access, target, include, expectedBytes: totalBytes } = request;
  checkTarget(target, request.runId);
  if (!/^[0-9a-f]{64}$/.test(request.snapshotId)) throw new ModosuError('REQUEST_INVALID', 'A snapshot is named by its full id.');
  const { version } = await probe(agent, signal);
  await clearTarget(agent, request, signal);
  await placeCertificate(agent, access, 'DATA_RESTORE_FAILED', signal);
  try {
    await mustRunInGuest(agent, { argv: ['mkdir', '-p', '-m', '0700', '--', target] }, 'DATA_RESTORE_FAILED', { signal });
    let doneBytes = 0;
    const onTick = async (pid: number): Promise<void> => {
      const seen = await bytesMoved(agent, pid, 'wchar');
      doneBytes = Math.max(doneBytes, Math.min(seen ?? 0, totalBytes));
      onProgress?.({ doneBytes, totalBytes });
    };
    const unlocked = access.canLock ? [] : ['--no-lock'];
    // Without `--verify`: restic checks each piece before it writes it, and would read the written ones from the guest's memory.
    const args = ['restore', ...unlocked, request.snapshotId, '--target', target, ...include.flatMap((path) => ['--include', asPattern(path)])];
    const result = await runRestic(agent, access, args, { signal, onTick }).catch(lost);
    if (result.exitCode > ENDED_BY_SIGNAL) {
      throw new ModosuError('GUEST_PROGRAM_LOST', `restic in the guest was ended by signal ${result.exitCode - ENDED_BY_SIGNAL} while it restored the files.`);
    }
    if (resticOutcome({ version, ...result }) !== 'ok') throw resticError('restore the files', version, result, access, 'DATA_RESTORE_FAILED');
    await checkArrived(agent, target, include, signal);
    onProgress?.({ doneBytes: totalBytes, totalBytes });
  } catch (error) {
    // The caller's signal may be the reason for being here.
    await remove(agent, target, AbortSignal.timeout(REMOVE_WITHIN_MS)).catch(() => undefined);
    throw error;
  }
}

/** Ends and removes what an earlier attempt of the run has left: its room is free again. Idempotent. Throws `PATH_NOT_ALLOWED`, `AGENT_COMMAND_FAILED`. */
export async function clearTarget(agent: GuestAgent, { target, runId }: Pick<ResticRestore, 'target' | 'runId'>, signal: AbortSignal): Promise<void> {
  checkTarget(target, runId);
  await endLeftovers(agent, 'restic', target, signal);
  await remove(agent, target, signal);
}

/** An agent that was restarted has forgotten the program: nobody knows how it ended. */
function lost(error: unknown): never {
  if (!isModosuError(error) || error.code !== 'AGENT_COMMAND_FAILED') throw error;
  throw new ModosuError('GUEST_PROGRAM_LOST', `The guest agent lost sight of restic: ${cleanWords(error.message)}`, { cause: error });
}

/** restic ends well when it finds nothing that it should restore. */
async function checkArrived(agent: GuestAgent, target: string, include: readonly string[], signal: AbortSignal): Promise<void> {
  const missing: string[] = [];
  let arrived = 0;
  for (const batch of inBatches(include, (path) => [`${target}${path}`])) {
    const { stdout } = await runInGuest(
      agent,
      { argv: ['xargs', '-0', 'stat', '-c', '%F', '--'], input: batch.map((path) => `${target}${path}\0`).join('') },
      { signal },
    );
    arrived += stdout.split('\n').length - 1;
  }
  if (arrived === include.length) return;
  for (const path of include.slice(0, MAX_LOOKED_AT)) {
    const { exitCode } = await runInGuest(agent, { argv: ['stat', '-c', '%F', '--', `${target}${path}`] }, { signal });
    if (exitCode !== 0) missing.push(path);
  }
  throw new ModosuError(
    'DATA_RESTORE_FAILED',
    `restic in the guest ended well, but ${missing.length === 0 ? 'something' : namesOf(missing)} has not arrived.`,
    {
      context: { missing: missing.slice(0, 5).map((path) => cleanWords(path, 120)) },
    },
  );
}

async function remove(agent: GuestAgent, target: string, signal: AbortSignal): Promise<void> {
  await mustRunInGuest(agent, { argv: ['rm', '-rf', '--', target] }, 'DATA_RESTORE_FAILED', { signal });
}

/** What is removed has to be the run's own, whoever calls. */
function checkTarget(target: string, runId: string): void {
  const parts = target.split('/').slice(1);
  const plain = target.startsWith('/') && parts.every((part) => part !== '' && part !== '.' && part !== '..');
  if (plain && parts.some((part) => part.includes(checkedRunId(runId)))) return;
  throw new ModosuError('PATH_NOT_ALLOWED', `${cleanWords(target)} is no directory that run ${cleanWords(runId, 80)} may restore into.`);
}
