/** What tests and the demo do inside a guest, through its agent and `virsh` alone: independent of the code under test. */
import { readFile } from 'node:fs/promises';
import { ModosuError } from '../../src/contracts/errors';
import { virsh } from './run-program';

const POLL_MS = 200;
/** A backup that begins by itself freezes the guest for a moment, and its agent refuses everything but a thaw. */
const FROZEN_MS = 10_000;
/** Most programs have ended by then; the others are asked for less and less often. */
const EXEC_POLL_MS = [40, 80, 160];

export interface GuestExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** One call of the guest agent; one that is frozen is asked again. Throws `AGENT_COMMAND_FAILED` when nobody answers within `timeoutMs` or the agent refuses. */
async function callAgent(uuid: string, command: string, args: object | null, timeoutMs: number): Promise<unknown> {
  const request = JSON.stringify(args === null ? { execute: command } : { execute: command, arguments: args });
  const seconds = Math.max(1, Math.ceil(timeoutMs / 1000));
  const giveUpAt = performance.now() + FROZEN_MS;
  for (;;) {
    try {
      const options = { code: 'AGENT_COMMAND_FAILED', timeoutMs: timeoutMs + 5_000 } as const;
      const answer = await virsh(['qemu-agent-command', uuid, '--timeout', String(seconds), request], options);
      return (JSON.parse(answer) as { return: unknown }).return;
    } catch (error) {
      if (!(error instanceof ModosuError) || !/in frozen state/.test(error.message) || performance.now() > giveUpAt) throw error;
      await pause(POLL_MS);
    }
  }
}

/** Whether the guest agent answers a ping within 2 s. Never throws for silence. */
export async function agentAnswers(uuid: string): Promise<boolean> {
  try {
    await callAgent(uuid, 'guest-ping', null, 2_000);
    return true;
  } catch (error) {
    if (error instanceof ModosuError && error.code === 'AGENT_COMMAND_FAILED') return false;
    throw error;
  }
}

/** Waits until the guest agent answers and returns how long that took. Throws `AGENT_SILENT` after `deadlineMs`. */
export async function waitForAgent(uuid: string, deadlineMs: number): Promise<number> {
  const startedAt = performance.now();
  while (!(await agentAnswers(uuid))) {
    if (performance.now() - startedAt > deadlineMs) {
      throw new ModosuError('AGENT_SILENT', `The guest agent of ${uuid} did not answer within ${deadlineMs / 1000} s. ${await lastWords(uuid)}`);
    }
    await pause(POLL_MS);
  }
  return Math.round(performance.now() - startedAt);
}

/** Whether the guest runs, and the end of what it wrote to its console: why a boot has come to nothing. */
async function lastWords(uuid: string): Promise<string> {
  try {
    const [state, usage, xml] = await Promise.all([virsh(['domstate', uuid, '--reason']), virsh(['dominfo', uuid]), virsh(['dumpxml', uuid])]);
    const path = /<serial type=['"]file['"]>\s*<source path=['"]([^'"]+)/.exec(xml)?.[1];
    const lines = path === undefined ? [] : (await readFile(path, 'latin1')).split('\n').filter((line) => line.trim() !== '');
    return `It is ${state.trim()}, ${/CPU time:\s*(.*)/.exec(usage)?.[1] ?? '?'} of CPU; on its console: ${lines.slice(-8).join(' | ') || 'nothing'}`;
  } catch (error) {
    return `Why is not known: ${(error as Error).message}`;
  }
}

/**
 * Runs a program in the guest (no shell; PATH is searched) and waits for its end. A non-zero exit code is a result, not an error.
 * Throws `AGENT_COMMAND_FAILED` when the program cannot be started, `AGENT_SILENT` when it has not ended after `timeoutMs` (default 60 s).
 */
export async function guestExec(
  uuid: string,
  argv: readonly [string, ...string[]],
  options: { readonly timeoutMs?: number; readonly input?: string } = {},
): Promise<GuestExecResult> {
  const timeoutMs = options.timeoutMs ?? 60_000;
  const [path, ...arg] = argv;
  const input = options.input === undefined ? {} : { 'input-data': Buffer.from(options.input).toString('base64') };
  const started = (await callAgent(uuid, 'guest-exec', { path, arg, 'capture-output': true, ...input }, 10_000)) as { pid: number };
  const endAt = performance.now() + timeoutMs;
  for (let round = 0; ; round += 1) {
    const status = (await callAgent(uuid, 'guest-exec-status', { pid: started.pid }, 10_000)) as {
      exited: boolean;
      exitcode?: number;
      signal?: number;
      'out-data'?: string;
      'err-data'?: string;
    };
    if (status.exited) {
      const decode = (text = ''): string => Buffer.from(text, 'base64').toString('utf8');
      return { exitCode: status.exitcode ?? 128 + (status.signal ?? 0), stdout: decode(status['out-data']), stderr: decode(status['err-data']) };
    }
    if (performance.now() > endAt) throw new ModosuError('AGENT_SILENT', `${path} in the guest did not end within ${timeoutMs / 1000} s.`);
    await pause(EXEC_POLL_MS[round] ?? POLL_MS);
  }
}

/** Standard output of a program in the guest; throws `AGENT_COMMAND_FAILED` with its message when it ends with another code than 0. */
export async function guestOutput(uuid: string, argv: readonly [string, ...string[]], options: { readonly timeoutMs?: number } = {}): Promise<string> {
  const result = await guestExec(uuid, argv, options);
  if (result.exitCode === 0) return result.stdout;
  throw new ModosuError('AGENT_COMMAND_FAILED', `${argv.join(' ')} in the guest ended with exit code ${result.exitCode}: ${result.stderr.trim()}`);
}

/** Runs one statement in a database of the PostgreSQL guest; rows come unaligned, without header. */
export const guestSql = (uuid: string, sql: string, database = 'shop'): Promise<string> =>
  guestOutput(uuid, ['psql', '-X', '-U', 'postgres', '-h', '/run/postgresql', '-d', database, '-v', 'ON_ERROR_STOP=1', '-At', '-c', sql]);

/** Waits until PostgreSQL in the guest accepts connections (after a power cut it first replays its log). Throws `AGENT_SILENT`. */
export async function waitForPostgresql(uuid: string, deadlineMs: number): Promise<void> {
  const endAt = performance.now() + deadlineMs;
  for (;;) {
    const ready = await guestExec(uuid, ['pg_isready', '-q', '-h', '/run/postgresql']);
    if (ready.exitCode === 0) return;
    if (performance.now() > endAt) throw new ModosuError('AGENT_SILENT', `PostgreSQL in ${uuid} did not accept connections within ${deadlineMs / 1000} s.`);
    await pause(POLL_MS);
  }
}

const SHA256 = /^[0-9a-f]{64}/;

/** SHA-256 over all rows of the database `shop`, in order of their ids; computed in the guest, by PostgreSQL and sha256sum. */
export async function checksumRows(uuid: string): Promise<string> {
  const dump = (sql: string): string => `psql -X -U postgres -h /run/postgresql -d shop -v ON_ERROR_STOP=1 -At -c '${sql}'`;
  const script = `set -eo pipefail; { ${dump('SELECT * FROM customers ORDER BY id')} && ${dump('SELECT * FROM orders ORDER BY id')}; } | sha256sum`;
  return checksum(await guestOutput(uuid, ['sh', '-c', script]));
}

/** SHA-256 over the sorted list of all regular files below a directory of the guest with their own SHA-256: changes with any name or content. */
export async function checksumFiles(uuid: string, directory: string): Promise<string> {
  const script = 'set -eo pipefail; cd "$1"; find . -xdev -type f -print0 | sort -z | xargs -0 -r sha256sum | sha256sum';
  return checksum(await guestOutput(uuid, ['sh', '-c', script, 'sh', directory]));
}

function checksum(output: string): string {
  const found = SHA256.exec(output)?.[0];
  if (found === undefined) throw new ModosuError('AGENT_COMMAND_FAILED', `The guest gave no checksum but "${output.slice(0, 200)}".`);
  return found;
}
