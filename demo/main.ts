import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { formatDuration } from '../src/contracts/format';
import type { RunView } from '../src/contracts/run';
import {
  agentAnswers,
  breakBoot,
  checksumRows,
  createGuestServer,
  destroyGuestServer,
  domainState,
  guestOutput,
  guestSql,
  macOf,
  shutDownGuest,
  startGuest,
  waitForAgent,
  waitForPostgresql,
  type GuestServer,
} from '../test/guests/guest-server';
import { isAlive, readRecord, recordProcess } from '../src/system/process-record';
import { ModosuProgram } from './modosu';
import { Narrator } from './narrator';

/**
 * `npm run demo`: the mission. A real server is imaged while it runs, and its database is saved; a table dropped by mistake comes back into the running
 * server; then the OS no longer starts, and image and data come back in one runbook although the worker is killed in the middle; undo and redo. Own state
 * directory, ports and domain name; `--exit` ends it and its exit code is 0 only if every comparison held.
 */
const DIRECTORY = process.env.MODOSU_DEMO_DIR ?? '/var/lib/modosu-demo';
const DOMAIN = process.env.MODOSU_DEMO_DOMAIN ?? 'modosu-demo-db01';
const SERVERS = join(DIRECTORY, 'servers');
const REPOSITORY = join(DIRECTORY, 'repository');
const DEMO_RECORD = join(DIRECTORY, 'demo.process');
const STACK_RECORD = join(DIRECTORY, 'stack.process');
const GUEST_RECORD = join(DIRECTORY, 'guest.json');
/** How long a healthy guest would need at most; a silent agent after that is a server that has not started. */
const SILENCE_MS = 25_000;

/** Nothing of a real installation on this machine may reach the demo: not its database, not its Temporal, not its token. */
const PASSED_ON = new Set(['MODOSU_CACHE_DIR', 'MODOSU_TEMPORAL_CLI', 'MODOSU_LOG_LEVEL']);
const env: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MODOSU_') || PASSED_ON.has(name))),
  MODOSU_STATE_DIR: join(DIRECTORY, 'state'),
  MODOSU_API_PORT: process.env.MODOSU_DEMO_PORT ?? '7410',
  // So slow that a copy has a middle in which a worker can be killed.
  MODOSU_COPY_RATE_LIMIT: String(24 * 1024 * 1024),
};

const narrator = new Narrator();
const modosu = new ModosuProgram(narrator, env);
/** A promise, so that cleaning up also finds a server that is just being made. */
let making: Promise<GuestServer> | null = null;
let held = true;
/** Until the place is taken nothing in it may be removed: it may be another demo's. */
let ours = false;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const compare = (what: string, actual: string, expected: string): void => {
  const ok = actual === expected;
  held &&= ok;
  narrator.verdict(ok, `${what}: ${actual.slice(0, 16)}… ${ok ? 'as in the recovery point' : `differs from ${expected.slice(0, 16)}…`}`);
};
const expectThat = (ok: boolean, text: string): void => {
  held &&= ok;
  narrator.verdict(ok, text);
};
const succeed = (outcome: { readonly exitCode: number }, what: string): void => {
  if (outcome.exitCode !== 0) throw new Error(`${what} ended with exit code ${outcome.exitCode}.`);
};

async function demonstrate(): Promise<void> {
  narrator.begin('Modosu starts: PostgreSQL, Temporal, API, worker');
  await takeThePlace();
  narrator.say(`Everything of this demo lies in ${DIRECTORY}.`);
  const address = await modosu.start((pid) => recordProcess(STACK_RECORD, pid, 'modosu up of the demo'));
  narrator.say(`The API answers at ${address}.`);

  narrator.begin('A server "db01" with a PostgreSQL database');
  // Written first, by name: a demo that is killed while it makes the server must not block the next one.
  await writeFile(GUEST_RECORD, JSON.stringify({ uuid: DOMAIN, name: DOMAIN, directory: SERVERS }));
  making = createGuestServer({ name: DOMAIN, guest: 'postgresql', directory: SERVERS });
  const server = await making;
  const { uuid } = server;
  if (server.domainType === 'qemu') narrator.say('KVM cannot be used here: this guest is emulated, which is slower but the same otherwise.');
  narrator.say(`It boots; its guest agent answered after ${formatDuration((await waitForAgent(uuid, 180_000)) / 1000)}.`);
  await waitForPostgresql(uuid, 120_000);
  narrator.say(`Rows in orders: ${(await guestSql(uuid, 'SELECT count(*) FROM orders')).trim()}.`);

  const estate = join(DIRECTORY, 'estate.yaml');
  // QEMU writes online images itself, as its own user: it must be able to pass through.
  await mkdir(REPOSITORY, { mode: 0o711 });
  await chmod(REPOSITORY, 0o711);
  await writeFile(estate, estateFile(await macOf(uuid)));
  succeed(await modosu.show('apply', '-f', estate), 'apply');
  succeed(await modosu.show('server', 'list'), 'server list');

  narrator.begin('An image recovery point of the running server: frozen for a moment, then QEMU copies while it works on');
  await guestOutput(uuid, ['sync']);
  succeed(await modosu.show('backup', 'image', 'db01', '--mode', 'online', '--reason', 'baseline after set-up', '--wait'), 'the image');
  await guestSql(uuid, "INSERT INTO orders SELECT n, 1 + n % 500, DATE '2026-01-01', 'ordered after the image', 1, 100 FROM generate_series(5001, 5250) AS n");
  narrator.say('250 more orders are taken: they are not in the image.');

  narrator.begin('The daily data backup: dumped in the guest, read to its end, saved by restic, proven from outside');
  succeed(await modosu.show('backup', 'data', 'db01', '--reason', 'daily', '--wait'), 'the data backup');
  const orders = await checksumOrders(uuid);
  await guestSql(uuid, "INSERT INTO customers SELECT n, 'written after the data backup', 'Osaka' FROM generate_series(501, 520) AS n");
  narrator.say('20 more customers are written: they are in no recovery point.');

  narrator.begin('Act 1: the table "orders" is dropped by mistake, while everybody works on');
  await guestSql(uuid, 'DROP TABLE orders');
  const act1 = await plan('restore', 'plan', 'db01', '--scenario', 'data', '--data-set', 'shop', '--table', 'orders');
  succeed(await modosu.show('restore', 'run', act1, '--reason', 'orders was dropped by mistake', '--confirm', 'db01', '--wait'), 'the restore of the table');
  compare('Checksum of the rows of orders', await checksumOrders(uuid), orders);
  expectThat(
    (await guestSql(uuid, "SELECT count(*) FROM customers WHERE name = 'written after the data backup'")).trim() === '20',
    'The 20 customers written since are still there: only what was missing came back',
  );
  await tellLossAndTime(await runOf(act1));

  narrator.begin('The next daily data backup, and three more rows after it');
  succeed(await modosu.show('backup', 'data', 'db01', '--reason', 'daily', '--wait'), 'the data backup');
  const rows = await checksumRows(uuid);
  await guestSql(uuid, "INSERT INTO customers SELECT n, 'written last', 'Kyoto' FROM generate_series(601, 603) AS n");
  succeed(await modosu.show('recovery-point', 'list', '--server', 'db01'), 'recovery-point list');

  narrator.begin('Act 2: the OS no longer starts: boot code and boot partition are overwritten with zeros');
  await shutDownGuest(uuid, 60_000);
  await breakBoot(server.systemDisk.path, server.systemDisk.format);
  await startGuest(uuid);
  narrator.say(`It is started again. A healthy guest answers in seconds; waiting ${SILENCE_MS / 1000} s for the guest agent …`);
  const silent = await staysSilent(uuid, SILENCE_MS);
  expectThat(silent && (await domainState(uuid)) === 'running', 'libvirt says "running", but the guest agent stays silent: the OS no longer starts');

  narrator.begin('The plan: image, then the newest data, in one runbook');
  const planId = await plan('restore', 'plan', 'db01', '--scenario', 'server');

  narrator.begin('The restore, and in the middle of its copy the worker is killed');
  const restored = modosu.show('restore', 'run', planId, '--reason', 'db01 no longer starts', '--confirm', 'db01', '--wait');
  const runId = await runOf(planId);
  const killed = await killWorkerInMidCopy(runId);
  expectThat(
    killed !== null,
    `The worker (process ${killed ?? '-'}) is killed with SIGKILL while it copies; the run goes on when it is noticed, within half a minute`,
  );
  succeed(await restored, 'the restore');
  await waitForPostgresql(uuid, 120_000);

  narrator.begin('Is it the server as of the last data backup?');
  compare('Checksum of all rows', await checksumRows(uuid), rows);
  expectThat(
    (await guestSql(uuid, "SELECT count(*) FROM customers WHERE name = 'written last'")).trim() === '0',
    'The three rows written last are gone, as the plan had said; the old volume still holds them',
  );
  succeed(await modosu.show('run', 'show', runId), 'run show');
  await tellLossAndTime(runId);

  narrator.begin('The way back: undo returns to the broken server, redo brings the restored one back');
  await guestSql(uuid, "UPDATE customers SET name = 'written after the restore' WHERE id = 2");
  const undoRun = await undo(runId, 'look at the broken disks once more');
  expectThat(await staysSilent(uuid, SILENCE_MS), 'The server is the broken one again: its old volumes, its old definition');
  const redoRun = await undo(undoRun, 'and back to the restored server');
  await waitForAgent(uuid, 180_000);
  await waitForPostgresql(uuid, 120_000);
  expectThat(
    (await guestSql(uuid, "SELECT count(*) FROM customers WHERE name = 'written after the restore'")).trim() === '1',
    'Redo: the restored server is back, with what was written to it since',
  );
  succeed(await modosu.show('way-back', 'list', '--server', 'db01'), 'way-back list');
  succeed(await modosu.show('run', 'confirm', redoRun, '--reason', 'the restored server is the right one', '--wait'), 'the confirmation');

  narrator.begin('For the record');
  succeed(await modosu.show('audit', 'list', '--run', runId), 'audit list');
  const verified = await modosu.show('audit', 'verify');
  expectThat(verified.exitCode === 0, 'The audit trail is intact');
}

/** Shows a plan and gives its id. */
async function plan(...args: readonly string[]): Promise<string> {
  const planned = await modosu.show(...args);
  succeed(planned, 'the plan');
  const planId = /\bplan_[0-9a-hjkmnp-tv-z]{26}\b/.exec(planned.stdout)?.[0];
  if (planId === undefined) throw new Error('The plan printed no id.');
  return planId;
}

/** What was lost (RPO) and how long it took (RTO), as measured. */
async function tellLossAndTime(runId: string): Promise<void> {
  const { lostSeconds, recoverySeconds } = await modosu.json<RunView>('run', 'show', runId);
  expectThat(
    lostSeconds !== null && recoverySeconds !== null,
    `Measured: lost ${formatDuration(lostSeconds ?? 0)} (from the point in time to the incident), recovered in ${formatDuration(recoverySeconds ?? 0)} (from the accepted request until it was back)`,
  );
}

const checksumOrders = async (uuid: string): Promise<string> =>
  (await guestSql(uuid, "SELECT encode(sha256(convert_to(string_agg(o::text, chr(10) ORDER BY id), 'UTF8')), 'hex') FROM orders o")).trim();

/** The run that carries a plan out, as soon as it is there. */
async function runOf(planId: string): Promise<string> {
  const until = performance.now() + 30_000;
  for (;;) {
    const runs = await modosu.json<readonly RunView[]>('run', 'list', '--server', 'db01');
    const run = runs.find((candidate) => candidate.planId === planId);
    if (run !== undefined) return run.id;
    if (performance.now() > until) throw new Error(`No run carries out plan ${planId}.`);
    await pause(250);
  }
}

/** Waits until bytes have moved, then kills the worker as an operator or the OOM killer would. Null: the copy was over before. */
async function killWorkerInMidCopy(runId: string): Promise<number | null> {
  const until = performance.now() + 60_000;
  while (performance.now() < until) {
    const { steps } = await modosu.json<RunView>('run', 'show', runId);
    const copy = steps.find(({ key }) => key === 'copy:vda');
    if (copy?.state === 'running' && (copy.progress?.doneBytes ?? 0) > 0) {
      const worker = await readRecord(join(env.MODOSU_STATE_DIR ?? '', 'run', 'processes', 'worker.json'));
      if (worker === null) return null;
      process.kill(worker.pid, 'SIGKILL');
      return worker.pid;
    }
    if (copy !== undefined && copy.state !== 'running' && copy.state !== 'pending') return null;
    await pause(100);
  }
  return null;
}

/** Makes the plan of an undo, shows it, and carries it out. Returns the run. */
async function undo(ofRunId: string, reason: string): Promise<string> {
  const planId = await plan('run', 'undo', ofRunId);
  succeed(await modosu.show('run', 'undo', ofRunId, '--plan', planId, '--confirm', 'db01', '--reason', reason, '--wait'), 'the undo');
  return runOf(planId);
}

const estateFile = (mac: string): string => `hypervisors:
  - name: local
    kind: libvirt
    uri: qemu:///system
repositories:
  - name: main
    kind: directory
    path: ${REPOSITORY}
servers:
  - name: db01
    hypervisor: local
    domain: ${DOMAIN}
    repository: main
    nics:
      - mac: ${mac}
        role: backup
    dataSets:
      - name: shop
        kind: postgresql
        databases: [shop]
        socketDirectory: /run/postgresql
    healthChecks:
      - name: orders
        kind: sql
        database: shop
        socketDirectory: /run/postgresql
        query: SELECT count(*) > 0 FROM orders
        expect: t
`;

async function staysSilent(uuid: string, forMs: number): Promise<boolean> {
  const until = performance.now() + forMs;
  while (performance.now() < until) {
    if (await agentAnswers(uuid)) return false;
    await pause(500);
  }
  return true;
}

/**
 * One demo at a time. One that was killed leaves a domain and files, and its stack may still be draining: that is waited for, then all of
 * it is removed.
 */
async function takeThePlace(): Promise<void> {
  await refuseForeignDirectory();
  const other = await readRecord(DEMO_RECORD);
  if (other !== null && (await isAlive(other))) {
    throw new Error(`Another demo (process ${other.pid}) uses ${DIRECTORY}. End it, or set MODOSU_DEMO_DIR, MODOSU_DEMO_PORT and MODOSU_DEMO_DOMAIN.`);
  }
  const stack = await readRecord(STACK_RECORD);
  const until = performance.now() + 90_000;
  while (stack !== null && (await isAlive(stack))) {
    if (performance.now() > until) throw new Error(`The stack of an earlier demo (process ${stack.pid}) does not end. End it, then start again.`);
    await pause(250);
  }
  const guest = await readFile(GUEST_RECORD, 'utf8').then(
    (text) => JSON.parse(text) as Parameters<typeof destroyGuestServer>[0],
    () => null,
  );
  if (guest !== null) await destroyGuestServer(guest);
  await rm(DIRECTORY, { recursive: true, force: true });
  await mkdir(DIRECTORY, { recursive: true, mode: 0o755 });
  await recordProcess(DEMO_RECORD, process.pid, 'demo');
  ours = true;
}

/** What stands in it is removed at the start and at the end: it must be the demo's own. */
async function refuseForeignDirectory(): Promise<void> {
  if (!isAbsolute(DIRECTORY)) throw new Error(`MODOSU_DEMO_DIR must be an absolute path, not "${DIRECTORY}".`);
  const entries = await readdir(DIRECTORY).catch(() => []);
  if (entries.length > 0 && !entries.some((entry) => join(DIRECTORY, entry) === DEMO_RECORD)) {
    throw new Error(
      `${DIRECTORY} holds files that are not the demo's (${entries.slice(0, 3).join(', ')}). Name an empty or new directory with MODOSU_DEMO_DIR.`,
    );
  }
}

let cleaned: Promise<void> | null = null;
const cleanUp = (): Promise<void> =>
  (cleaned ??= (async () => {
    if (!ours) return;
    narrator.say('Cleaning up: the stack stops, the server and its files are removed.');
    await modosu.stop();
    await (await making?.catch(() => null))?.destroy();
    await rm(DIRECTORY, { recursive: true, force: true });
  })());

function whatNext(): void {
  const prefix = `MODOSU_STATE_DIR=${join(DIRECTORY, 'state')} bin/modosu`;
  narrator.begin('It stays up. Try, in another terminal:');
  for (const command of ['server show db01', 'run list', 'restore plan db01 --scenario server', 'doctor']) narrator.say(`${prefix} ${command}`);
  narrator.say('Ctrl-C stops everything and removes it.');
}

async function main(): Promise<number> {
  const endAfterwards = process.argv.includes('--exit');
  let interrupted: (signal: NodeJS.Signals) => void = () => undefined;
  const interruption = new Promise<NodeJS.Signals>((resolve) => (interrupted = resolve));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted(signal));

  const outcome = await Promise.race([
    demonstrate().then(
      () => 'shown' as const,
      (error: unknown) => error,
    ),
    interruption,
  ]);
  if (outcome === 'shown' && !endAfterwards) {
    whatNext();
    await interruption;
  }
  if (outcome instanceof Error) narrator.verdict(false, outcome.message);
  await cleanUp();
  if (outcome !== 'shown') return outcome === 'SIGINT' || outcome === 'SIGTERM' || outcome === 'SIGHUP' ? 130 : 1;
  narrator.verdict(held, held ? 'Every comparison held.' : 'A comparison did not hold.');
  return held ? 0 : 1;
}

void main().then((code) => process.exit(code));
