import { randomBytes } from 'node:crypto';
import type { GuestAgent } from '../guest-agent';
import { AGENT_TIMEOUT_MS, failureOf, runInGuest, type RunOptions } from './guest-process';

export interface Found {
  /** Records, each ended by zero bytes; the last one may be cut. */
  readonly text: string;
  /** There was more than `maxBytes`. */
  readonly truncated: boolean;
  readonly exitCode: number;
  readonly stderr: string;
}

/** Of root alone, in memory, gone with the next start. */
const DIRECTORY = '/run';
const PREFIX = 'modosu-list-';
const SIGXFSZ = 25;

/**
 * Runs GNU find in the guest, with its output in a file that is then read in pieces and removed: libvirt gives an agent up, until the guest is started again, whose one answer is larger than 10 MiB
 * (its QEMU_AGENT_MAX_RESPONSE), and nothing else bounds what find says on its standard output. `prlimit` ends a find that would write more.
 * `action`: `-fprintf` with a format, or `-fprint0`. Throws `GUEST_PROGRAM_MISSING` (no prlimit), `GUEST_DISK_FULL`; any other end of find is for the caller to judge.
 */
export async function findFiles(agent: GuestAgent, starts: readonly string[], tests: readonly string[], action: readonly ['-fprint0'] | readonly ['-fprintf', string], maxBytes: number, options: RunOptions): Promise<Found> {
  const name = `${PREFIX}${randomBytes(8).toString('hex')}`;
  const file = `${DIRECTORY}/${name}`;
  const [kind, ...format] = action;
  try {
    const { exitCode, stderr } = await runInGuest(agent, { argv: ['prlimit', `--fsize=${maxBytes}`, 'find', ...starts, ...tests, kind, file, ...format] }, options);
    if (/No space left on device/.test(stderr)) throw failureOf('find', { exitCode, stderr, stdout: '', truncated: false }, 'DATA_RESTORE_FAILED');
    const bytes = (await agent.readFile(file, { timeoutMs: AGENT_TIMEOUT_MS, maxBytes })) ?? Buffer.alloc(0);
    return { text: bytes.toString('utf8'), truncated: exitCode === 128 + SIGXFSZ || bytes.length >= maxBytes, exitCode, stderr };
  } finally {
    // Ours, and those of callers that have died.
    await agent.exec(['find', DIRECTORY, '-maxdepth', '1', '-name', `${PREFIX}*`, '(', '-name', name, '-o', '-mmin', '+60', ')', '-delete'], { timeoutMs: AGENT_TIMEOUT_MS }).catch(() => undefined);
  }
}
