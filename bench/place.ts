import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive, readRecord, recordProcess } from '../src/system/process-record';
import { destroyGuestServer } from '../test/guests/guest-server';

export const DIRECTORY = process.env['MODOSU_BENCH_DIR'] ?? '/var/lib/modosu-bench';
export const DOMAIN = process.env['MODOSU_BENCH_DOMAIN'] ?? 'modosu-bench';
/** The second server of the part about increments: the same, with a far larger disk. */
export const WIDE_DOMAIN = `${DOMAIN}-wide`;
export const API_PORT = process.env['MODOSU_BENCH_PORT'] ?? '7430';

export const PLACE = {
  state: join(DIRECTORY, 'state'),
  repository: join(DIRECTORY, 'repository'),
  servers: join(DIRECTORY, 'servers'),
  /** Everything the others write. */
  peers: join(DIRECTORY, 'peers'),
};

const BENCH_RECORD = join(DIRECTORY, 'bench.process');
const STACK_RECORD = join(DIRECTORY, 'stack.process');
const GUEST_RECORD = join(DIRECTORY, 'guests.json');
const DRAIN_MS = 90_000;

/**
 * Takes the directory for this benchmark: one at a time. One that was killed leaves domains, files and a stack that may still be draining: that is waited for,
 * then all of it is removed.
 */
export async function takeThePlace(signal: AbortSignal): Promise<void> {
  if (!isAbsolute(DIRECTORY)) throw new Error(`MODOSU_BENCH_DIR must be an absolute path, not "${DIRECTORY}".`);
  const entries = await readdir(DIRECTORY).catch(() => []);
  if (entries.length > 0 && !entries.some((entry) => join(DIRECTORY, entry) === BENCH_RECORD)) {
    throw new Error(
      `${DIRECTORY} holds files that are not the benchmark's (${entries.slice(0, 3).join(', ')}). Name an empty or new directory with MODOSU_BENCH_DIR.`,
    );
  }
  const other = await readRecord(BENCH_RECORD);
  if (other !== null && (await isAlive(other))) {
    throw new Error(`Another benchmark (process ${other.pid}) uses ${DIRECTORY}. End it, or set MODOSU_BENCH_DIR, MODOSU_BENCH_PORT and MODOSU_BENCH_DOMAIN.`);
  }
  const stack = await readRecord(STACK_RECORD);
  const until = performance.now() + DRAIN_MS;
  while (stack !== null && (await isAlive(stack))) {
    if (performance.now() > until) throw new Error(`The stack of an earlier benchmark (process ${stack.pid}) does not end. End it, then start again.`);
    await delay(250, undefined, { signal });
  }
  const guests = await readFile(GUEST_RECORD, 'utf8').then(
    (text) => JSON.parse(text) as readonly Parameters<typeof destroyGuestServer>[0][],
    () => [],
  );
  for (const guest of guests) await destroyGuestServer(guest);
  await leaveThePlace();
  await mkdir(DIRECTORY, { recursive: true, mode: 0o755 });
  await recordProcess(BENCH_RECORD, process.pid, 'benchmark');
  // Written before they are made, by name: a benchmark that is killed meanwhile must not block the next one.
  await writeFile(GUEST_RECORD, JSON.stringify([DOMAIN, WIDE_DOMAIN].map((name) => ({ uuid: name, name, directory: PLACE.servers }))));
  for (const directory of [PLACE.repository, PLACE.peers]) await mkdir(directory, { mode: 0o711 });
}

export const rememberStack = (pid: number): Promise<void> => recordProcess(STACK_RECORD, pid, 'modosu up of the benchmark');

export const leaveThePlace = (): Promise<void> => rm(DIRECTORY, { recursive: true, force: true });
