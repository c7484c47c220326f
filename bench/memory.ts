import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PLACE } from './place';

const EVERY_MS = 50;

export interface MemoryUse {
  readonly beforeBytes: number;
  readonly peakBytes: number;
}

/** Resident memory of the worker before and at most during the work. Bytes are moved by other processes; what the worker holds must not grow with them. */
export async function workerMemoryDuring<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly memory: MemoryUse }> {
  const pid = await workerPid();
  const beforeBytes = await residentBytes(pid);
  let peakBytes = beforeBytes;
  let failure: unknown = null;
  const timer = setInterval(() => {
    residentBytes(pid).then(
      (bytes) => (peakBytes = Math.max(peakBytes, bytes)),
      (error: unknown) => (failure = error),
    );
  }, EVERY_MS);
  try {
    const result = await work();
    if (failure !== null) throw new Error(`The worker (process ${pid}) did not live through the run.`, { cause: failure });
    return { result, memory: { beforeBytes, peakBytes } };
  } finally {
    clearInterval(timer);
  }
}

async function workerPid(): Promise<number> {
  const { pid } = JSON.parse(await readFile(join(PLACE.state, 'run', 'processes', 'worker.json'), 'utf8')) as { readonly pid: number };
  return pid;
}

async function residentBytes(pid: number): Promise<number> {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kilobytes === undefined) throw new Error(`Process ${pid} has no memory: it has ended.`);
  return Number(kilobytes) * 1024;
}
