import { randomBytes } from 'node:crypto';
import type { GuestAgent } from '../guest-agent';
import { AGENT_TIMEOUT_MS, failureOf, runInGuest, type GuestRunOptions } from '../guest-process';

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
/** Below what the agent reads of one file. */
const PIECE_BYTES = 8 * 1024 * 1024;

/**
 * Runs GNU find in the guest, with its output in a file that is then read in pieces and removed: libvirt gives an agent up, until the guest is started again,
 * whose one answer is larger than 10 MiB (its QEMU_AGENT_MAX_RESPONSE), and nothing else bounds what find says on its standard output. `prlimit` ends a find
 * that would write more. `action`: `-fprintf` with a format, or `-fprint0`. Throws `GUEST_PROGRAM_MISSING` (no prlimit), `GUEST_DISK_FULL`; any other end of
 * find is for the caller to judge.
 */
export async function findFiles(
  agent: GuestAgent,
  starts: readonly string[],
  tests: readonly string[],
  action: readonly ['-fprint0'] | readonly ['-fprintf', string],
  maxBytes: number,
  options: GuestRunOptions,
): Promise<Found> {
  const name = `${PREFIX}${randomBytes(8).toString('hex')}`;
  const file = `${DIRECTORY}/${name}`;
  const [kind, ...format] = action;
  const bound = Math.min(maxBytes, await spareMemory(agent, options));
  try {
    const { exitCode, stderr } = await runInGuest(
      agent,
      { argv: ['prlimit', `--fsize=${bound}`, 'find', ...starts, ...tests, kind, file, ...format] },
      options,
    );
    if (/No space left on device/.test(stderr)) throw failureOf('find', { exitCode, stderr }, 'DATA_RESTORE_FAILED');
    const bytes = await readLong(agent, file, bound, options);
    return { text: bytes.toString('utf8'), truncated: exitCode === 128 + SIGXFSZ || bytes.length >= bound, exitCode, stderr };
  } finally {
    // Ours, and those of callers that have died.
    const old = ['find', DIRECTORY, '-maxdepth', '1', '-name', `${PREFIX}*`, '(', '-name', `${name}*`, '-o', '-mmin', '+60', ')', '-delete'] as const;
    await agent.exec(old, { timeoutMs: AGENT_TIMEOUT_MS }).catch(() => undefined);
  }
}

/** The guest's own programs need that file system too. */
async function spareMemory(agent: GuestAgent, options: GuestRunOptions): Promise<number> {
  const { stdout } = await runInGuest(agent, { argv: ['stat', '-f', '-c', '%a %S', '--', DIRECTORY] }, options);
  const [, blocks, blockBytes] = /^(\d{1,16}) (\d{1,9})\n$/.exec(stdout) ?? [];
  return blocks === undefined ? Infinity : Math.floor((Number(blocks) * Number(blockBytes)) / 2);
}

async function readLong(agent: GuestAgent, file: string, maxBytes: number, options: GuestRunOptions): Promise<Buffer> {
  const read = async (path: string): Promise<Buffer> =>
    (await agent.readFile(path, { timeoutMs: AGENT_TIMEOUT_MS, maxBytes: Math.min(maxBytes, PIECE_BYTES) })) ?? Buffer.alloc(0);
  const pieces = [await read(file)];
  for (let at = 1; pieces.at(-1)?.length === PIECE_BYTES && at * PIECE_BYTES < maxBytes; at += 1) {
    const piece = `${file}-piece`;
    const { exitCode, stderr } = await runInGuest(
      agent,
      { argv: ['dd', `if=${file}`, `of=${piece}`, `bs=${PIECE_BYTES}`, `skip=${at}`, 'count=1', 'status=none'] },
      options,
    );
    if (exitCode !== 0) throw failureOf('dd', { exitCode, stderr }, 'DATA_RESTORE_FAILED');
    pieces.push(await read(piece));
  }
  return Buffer.concat(pieces).subarray(0, maxBytes);
}
