import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ModosuError } from '../contracts/errors';
import { asRecord, isCount, parseJson } from '../contracts/json';
import { errorCode, writeFileDurably } from './files';

/**
 * Who a long-running child process is, in a form that survives the death of its parent. A process id alone is reused by
 * the kernel; together with the boot and the start time it is unique.
 */
export interface ProcessRecord {
  readonly pid: number;
  readonly bootId: string;
  /** Clock ticks since boot, field 22 of /proc/PID/stat. */
  readonly startTicks: string;
  /** For people who read the file. */
  readonly purpose: string;
}

const POLL_MS = 20;

/** Start time of a live process, or null when there is none (a zombie holds nothing any more and counts as gone). */
async function startTicksOf(pid: number): Promise<string | null> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // The second field is the program's name in brackets and may itself hold spaces and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  return state === 'Z' || state === 'X' ? null : (fields[19] ?? null);
}

const bootId = async (): Promise<string> => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();

/** The identity of a live process, or null when there is none. */
export async function identify(pid: number, purpose: string): Promise<ProcessRecord | null> {
  const startTicks = await startTicksOf(pid);
  return startTicks === null ? null : { pid, bootId: await bootId(), startTicks, purpose };
}

/** Writes down a child process, so that `endOrphan` of a later life can end it. Replaces an older record. */
export async function recordProcess(recordPath: string, pid: number, purpose: string): Promise<void> {
  const record = await identify(pid, purpose);
  if (record === null) return; // it has already ended: nothing to remember
  await mkdir(dirname(recordPath), { recursive: true, mode: 0o700 });
  await writeFileDurably(recordPath, `${JSON.stringify(record)}\n`);
}

export async function readRecord(recordPath: string): Promise<ProcessRecord | null> {
  let text: string;
  try {
    text = await readFile(recordPath, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
  const { pid, bootId: boot, startTicks, purpose } = asRecord(parseJson(text));
  // A torn record names nobody.
  if (!isCount(pid) || pid <= 1 || typeof boot !== 'string' || typeof startTicks !== 'string') return null;
  return { pid, bootId: boot, startTicks, purpose: String(purpose) };
}

export async function isAlive(record: ProcessRecord): Promise<boolean> {
  return record.bootId === (await bootId()) && (await startTicksOf(record.pid)) === record.startTicks;
}

/**
 * Ends the process a record names, if exactly that process is still alive, waits until it is really gone and removes the
 * record. Returns whether a process was ended. No record, or a process of another life: nothing is killed. Throws
 * `COPY_STALLED` when it does not die within `deadlineMs` (storage that no longer answers).
 */
export async function endOrphan(recordPath: string, deadlineMs = 15_000): Promise<boolean> {
  const record = await readRecord(recordPath);
  const alive = record !== null && (await isAlive(record));
  if (record !== null && alive) {
    try {
      process.kill(record.pid, 'SIGKILL');
    } catch {
      // it ended by itself in between
    }
    const giveUpAt = performance.now() + deadlineMs;
    while (await isAlive(record)) {
      if (performance.now() > giveUpAt) {
        throw new ModosuError(
          'COPY_STALLED',
          `Process ${record.pid} (${record.purpose}), left by an earlier attempt, cannot be ended: it waits for storage that does not answer.`,
          {
            context: { pid: record.pid },
          },
        );
      }
      await delay(POLL_MS);
    }
  }
  await rm(recordPath, { force: true });
  return alive;
}

/** Removes a record after its process has ended, unless a later attempt has put its own there. */
export async function forgetProcess(recordPath: string, pid: number): Promise<void> {
  const record = await readRecord(recordPath);
  if (record?.pid === pid) await rm(recordPath, { force: true });
}
