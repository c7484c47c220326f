import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../../config/log';
import { ModosuError } from '../../contracts/errors';
import { identify, isAlive, readRecord, type ProcessRecord } from '../../system/process-record';

/** PostgreSQL must check its data in and out: never SIGKILL first. */
const SIGNALS = [
  { signal: 'SIGINT', graceMs: 15_000 },
  { signal: 'SIGTERM', graceMs: 5_000 },
  { signal: 'SIGKILL', graceMs: 10_000 },
] as const;
const POLL_MS = 20;

/**
 * Ends what an earlier life of the supervisor has left running, and waits until it is gone. A process is ended only when boot, process id and start time are
 * those written down: an id that was given to somebody else meanwhile is left alone.
 */
export async function endLeftovers(processes: string, log: Log): Promise<void> {
  const files = (await readdir(processes)).filter((name) => name.endsWith('.json'));
  await Promise.all(
    files.map(async (name) => {
      const path = join(processes, name);
      const record = await readRecord(path);
      if (record !== null && (await isAlive(record))) {
        log.warn({ pid: record.pid, purpose: record.purpose }, 'ending a process that an earlier life has left');
        await end(record);
      }
      await rm(path, { force: true });
    }),
  );
}

async function end(record: ProcessRecord): Promise<void> {
  for (const { signal, graceMs } of SIGNALS) {
    try {
      process.kill(record.pid, signal);
    } catch {
      return; // it ended by itself
    }
    const giveUpAt = performance.now() + graceMs;
    while (performance.now() < giveUpAt) {
      if (!(await isAlive(record))) return;
      await delay(POLL_MS);
    }
  }
  throw new ModosuError(
    'ALREADY_RUNNING',
    `Process ${record.pid} (${record.purpose}), left by an earlier start, cannot be ended: it waits for storage that does not answer.`,
    {
      hint: 'Look at the storage under the state directory; the process ends when it answers again.',
      context: { pid: record.pid },
    },
  );
}

/**
 * Makes the data directory free for a new server. A `postmaster.pid` whose process is gone is removed: PostgreSQL refuses to start while the process id in it
 * is alive, which after a restart of a machine or a container can be any other program. A PostgreSQL that really runs on this directory is an orphan (the
 * caller holds the state lock) and is shut down.
 */
export async function freeDataDirectory(dataDirectory: string, log: Log): Promise<void> {
  const path = join(dataDirectory, 'postmaster.pid');
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return;
  const pid = Number(text.split('\n')[0]);
  const orphan = (await servesDirectory(pid, dataDirectory)) ? await identify(pid, 'postgres') : null;
  if (orphan !== null) {
    log.warn({ pid }, 'ending a PostgreSQL server that an earlier life has left');
    await end(orphan);
  }
  await rm(path, { force: true });
}

async function servesDirectory(pid: number, dataDirectory: string): Promise<boolean> {
  if (!Number.isSafeInteger(pid) || pid <= 1) return false;
  const argv = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
  return argv[0]?.endsWith('postgres') === true && argv[argv.indexOf('-D') + 1] === dataDirectory;
}
