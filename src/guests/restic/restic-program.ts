import { dirname } from 'node:path/posix';
import type { DataAccess } from '../../contracts/data';
import { isModosuError, ModosuError } from '../../contracts/errors';
import type { ErrorCode } from '../../contracts/error-codes';
import { cleanWords } from '../../contracts/text';
import { isResticSupported, resticOutcome, resticVersion, resticWords, type ResticOutcome } from '../../domain/restic-outcome';
import { AGENT_TIMEOUT_MS, mustRunInGuest, runInGuest, type GuestRunOptions } from '../guest-process';
import type { CommandResult, GuestAgent } from '../guest-agent';

/** Output of restic that is kept: its summary stands at the end. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
/**
 * No cache: nothing of the repository stays in the guest, a full disk or a killed restic leaves nothing to clean, and the index comes from the next host, not
 * from far away. Progress lines (60 in a second by default) would fill the agent's memory and push the summary out: one in 1,000 seconds.
 */
const QUIET = { RESTIC_PROGRESS_FPS: '0.001' };
const MAX_WORDS = 600;

/**
 * Version of restic in the guest. Throws `RESTIC_MISSING`, `RESTIC_UNSUPPORTED` (older than 0.14, or not to be understood). Newer ones are taken as they are.
 */
export async function probe(agent: GuestAgent, signal: AbortSignal): Promise<{ readonly version: string }> {
  const said = await orMissing(() => runInGuest(agent, { argv: ['restic', 'version'] }, { signal }));
  const version = resticVersion(said.stdout);
  if (said.exitCode !== 0 || version === null) {
    throw new ModosuError(
      'RESTIC_UNSUPPORTED',
      `restic in the guest does not say its version; it ended with exit code ${said.exitCode}: "${cleanWords(said.stdout || said.stderr, 100)}".`,
    );
  }
  if (!isResticSupported(version)) throw new ModosuError('RESTIC_UNSUPPORTED', `restic in the guest is of version ${version}.`, { context: { version } });
  return { version };
}

async function orMissing<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!isModosuError(error) || error.code !== 'GUEST_PROGRAM_MISSING') throw error;
    throw new ModosuError('RESTIC_MISSING', 'The guest has no restic.', { cause: error });
  }
}

/**
 * Runs restic in the guest, with its secrets in the environment alone. What remains: libvirt gives an agent up whose one answer is larger than 10 MiB, and
 * nothing bounds what restic complains about: some 25,000 files that cannot be read (or written) one by one would cost the guest its agent until it is started
 * again.
 */
export const runRestic = (agent: GuestAgent, access: DataAccess, args: readonly string[], options: GuestRunOptions): Promise<CommandResult> =>
  orMissing(() =>
    runInGuest(agent, { argv: ['restic', '--no-cache', ...args], env: { ...access.env, ...QUIET } }, { maxOutputBytes: MAX_OUTPUT_BYTES, ...options }),
  );

/** Puts the certificate that restic has to trust where it looks for it. Idempotent. */
export async function placeCertificate(
  agent: GuestAgent,
  access: DataAccess,
  code: 'DATA_BACKUP_FAILED' | 'DATA_RESTORE_FAILED',
  signal: AbortSignal,
): Promise<void> {
  const path = access.env['RESTIC_CACERT'];
  if (access.caCertificate === null || path === undefined) return;
  await mustRunInGuest(agent, { argv: ['mkdir', '-p', '--', dirname(path)] }, code, { signal });
  await mustRunInGuest(agent, { argv: ['tee', '--', path], input: access.caCertificate }, code, { signal });
}

const CODE_OF: Readonly<Record<Exclude<ResticOutcome, 'ok' | 'partial' | 'failed'>, ErrorCode>> = {
  locked: 'DATA_REPOSITORY_LOCKED',
  'wrong-password': 'DATA_REPOSITORY_KEY_WRONG',
  'no-repository': 'DATA_REPOSITORY_MISSING',
  unreachable: 'DATA_REPOSITORY_UNREACHABLE',
  'no-space': 'GUEST_DISK_FULL',
  damaged: 'RECOVERY_POINT_CORRUPT',
  'repository-damaged': 'DATA_REPOSITORY_FAILED',
  'removal-refused': 'DATA_REPOSITORY_FAILED',
};

/** The error for a restic that has not done what it should: its last words, without secrets, clean and short. */
export function resticError(
  task: string,
  version: string,
  { exitCode, stderr }: CommandResult,
  access: DataAccess,
  otherwise: 'DATA_BACKUP_FAILED' | 'DATA_RESTORE_FAILED',
): ModosuError {
  const outcome = resticOutcome({ version, exitCode, stderr });
  const code = outcome === 'ok' || outcome === 'partial' || outcome === 'failed' ? otherwise : CODE_OF[outcome];
  const words = cleanWords(resticWords(stderr, access.secrets), MAX_WORDS);
  return new ModosuError(
    code,
    `restic in the guest could not ${task}; it ended with exit code ${exitCode}${words === '' ? ' and said nothing' : `: ${words}`}`,
    { context: { restic: version, exitCode } },
  );
}

/**
 * Bytes that a process in the guest has read or written, as its kernel counts them; null when that cannot be told. Counted are all its reads (or writes), those
 * of the network too: a little more than the files.
 */
export async function bytesMoved(agent: GuestAgent, pid: number, counter: 'rchar' | 'wchar'): Promise<number | null> {
  const text = (await agent.readFile(`/proc/${pid}/io`, { timeoutMs: AGENT_TIMEOUT_MS, maxBytes: 4_096 }).catch(() => null))?.toString('latin1') ?? '';
  const count = Number(new RegExp(`^${counter}: (\\d{1,16})$`, 'm').exec(text)?.[1] ?? Number.NaN);
  return Number.isSafeInteger(count) ? count : null;
}
