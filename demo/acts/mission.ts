import { join } from 'node:path';
import { formatDuration } from '../../src/contracts/format';
import type { RunView } from '../../src/contracts/run';
import { readRecord } from '../../src/system/process-record';
import {
  agentAnswers,
  breakBoot,
  checksumRows,
  domainState,
  guestOutput,
  guestSql,
  macOf,
  shutDownGuest,
  startGuest,
  waitForAgent,
  waitForPostgresql,
  type GuestServer,
} from '../../test/guests/guest-server';
import { DOMAIN, pause, type Stage } from '../stage';

/** How long a healthy guest would need at most; a silent agent after that is a server that has not started. */
const SILENCE_MS = 25_000;

/** So slow that a copy has a middle in which a worker can be killed. */
export const MISSION_SETTINGS = { MODOSU_COPY_RATE_LIMIT: String(24 * 1024 * 1024) };

/**
 * A real server is imaged while it runs, and its database is saved; a table dropped by mistake comes back into the running server; then the OS no longer starts, and
 * image and data come back in one runbook although the worker is killed in the middle; undo and redo.
 */
export async function mission(stage: Stage): Promise<void> {
  const { narrator, modosu } = stage;
  narrator.begin('A server "db01" with a PostgreSQL database');
  const [server] = (await stage.createServers({ name: DOMAIN, guest: 'postgresql' })) as [GuestServer];
  const { uuid } = server;
  narrator.say(`It boots; its guest agent answered after ${formatDuration((await waitForAgent(uuid, 180_000)) / 1000)}.`);
  await waitForPostgresql(uuid, 120_000);
  narrator.say(`Rows in orders: ${(await guestSql(uuid, 'SELECT count(*) FROM orders')).trim()}.`);

  await stage.apply(estateOf(await macOf(uuid)));
  stage.succeed(await modosu.show('server', 'list'), 'server list');

  narrator.begin('An image recovery point of the running server: frozen for a moment, then QEMU copies while it works on');
  await guestOutput(uuid, ['sync']);
  stage.succeed(await modosu.show('backup', 'image', 'db01', '--mode', 'online', '--reason', 'baseline after set-up', '--wait'), 'the image');
  await guestSql(uuid, "INSERT INTO orders SELECT n, 1 + n % 500, DATE '2026-01-01', 'ordered after the image', 1, 100 FROM generate_series(5001, 5250) AS n");
  narrator.say('250 more orders are taken: they are not in the image.');

  narrator.begin('The daily data backup: dumped in the guest, read to its end, saved by restic, proven from outside');
  stage.succeed(await modosu.show('backup', 'data', 'db01', '--reason', 'daily', '--wait'), 'the data backup');
  const orders = await checksumOrders(uuid);
  await guestSql(uuid, "INSERT INTO customers SELECT n, 'written after the data backup', 'Osaka' FROM generate_series(501, 520) AS n");
  narrator.say('20 more customers are written: they are in no recovery point.');

  narrator.begin('Act 1: the table "orders" is dropped by mistake, while everybody works on');
  await guestSql(uuid, 'DROP TABLE orders');
  const act1 = await stage.plan(['restore', 'plan', 'db01', '--scenario', 'data', '--data-set', 'shop', '--table', 'orders']);
  stage.succeed(
    await modosu.show('restore', 'run', act1, '--reason', 'orders was dropped by mistake', '--confirm', 'db01', '--wait'),
    'the restore of the table',
  );
  stage.compare('Checksum of the rows of orders', await checksumOrders(uuid), orders);
  stage.expectThat(
    (await guestSql(uuid, "SELECT count(*) FROM customers WHERE name = 'written after the data backup'")).trim() === '20',
    'The 20 customers written since are still there: only what was missing came back',
  );
  await tellLossAndTime(stage, await stage.runOf(act1));

  narrator.begin('The next daily data backup, and three more rows after it');
  stage.succeed(await modosu.show('backup', 'data', 'db01', '--reason', 'daily', '--wait'), 'the data backup');
  const rows = await checksumRows(uuid);
  await guestSql(uuid, "INSERT INTO customers SELECT n, 'written last', 'Kyoto' FROM generate_series(601, 603) AS n");
  stage.succeed(await modosu.show('recovery-point', 'list', '--server', 'db01'), 'recovery-point list');

  narrator.begin('Act 2: the OS no longer starts: boot code and boot partition are overwritten with zeros');
  await shutDownGuest(uuid, 60_000);
  await breakBoot(server.systemDisk.path, server.systemDisk.format);
  await startGuest(uuid);
  narrator.say(`It is started again. A healthy guest answers in seconds; waiting ${SILENCE_MS / 1000} s for the guest agent …`);
  const silent = await staysSilent(uuid, SILENCE_MS);
  stage.expectThat(silent && (await domainState(uuid)) === 'running', 'libvirt says "running", but the guest agent stays silent: the OS no longer starts');

  narrator.begin('The plan: image, then the newest data, in one runbook');
  const planId = await stage.plan(['restore', 'plan', 'db01', '--scenario', 'server']);

  narrator.begin('The restore, and in the middle of its copy the worker is killed');
  const restored = modosu.show('restore', 'run', planId, '--reason', 'db01 no longer starts', '--confirm', 'db01', '--wait');
  const runId = await stage.runOf(planId);
  const killed = await killWorkerInMidCopy(stage, runId);
  stage.expectThat(
    killed !== null,
    `The worker (process ${killed ?? '-'}) is killed with SIGKILL while it copies; the run goes on when it is noticed, within half a minute`,
  );
  stage.succeed(await restored, 'the restore');
  await waitForPostgresql(uuid, 120_000);

  narrator.begin('Is it the server as of the last data backup?');
  stage.compare('Checksum of all rows', await checksumRows(uuid), rows);
  stage.expectThat(
    (await guestSql(uuid, "SELECT count(*) FROM customers WHERE name = 'written last'")).trim() === '0',
    'The three rows written last are gone, as the plan had said; the old volume still holds them',
  );
  stage.succeed(await modosu.show('run', 'show', runId), 'run show');
  await tellLossAndTime(stage, runId);

  narrator.begin('The way back: undo returns to the broken server, redo brings the restored one back');
  await guestSql(uuid, "UPDATE customers SET name = 'written after the restore' WHERE id = 2");
  const undoRun = await undo(stage, runId, 'look at the broken disks once more');
  stage.expectThat(await staysSilent(uuid, SILENCE_MS), 'The server is the broken one again: its old volumes, its old definition');
  const redoRun = await undo(stage, undoRun, 'and back to the restored server');
  await waitForAgent(uuid, 180_000);
  await waitForPostgresql(uuid, 120_000);
  stage.expectThat(
    (await guestSql(uuid, "SELECT count(*) FROM customers WHERE name = 'written after the restore'")).trim() === '1',
    'Redo: the restored server is back, with what was written to it since',
  );
  stage.succeed(await modosu.show('way-back', 'list', '--server', 'db01'), 'way-back list');
  stage.succeed(await modosu.show('run', 'confirm', redoRun, '--reason', 'the restored server is the right one', '--wait'), 'the confirmation');

  await stage.showRecord(runId);
}

/** What was lost (RPO) and how long it took (RTO), as measured. */
async function tellLossAndTime(stage: Stage, runId: string): Promise<void> {
  const { lostSeconds, recoverySeconds } = await stage.modosu.json<RunView>('run', 'show', runId);
  stage.expectThat(
    lostSeconds !== null && recoverySeconds !== null,
    `Measured: lost ${formatDuration(lostSeconds ?? 0)} (from the point in time to the incident), recovered in ${formatDuration(recoverySeconds ?? 0)} (from the accepted request until it was back)`,
  );
}

const checksumOrders = async (uuid: string): Promise<string> =>
  (await guestSql(uuid, "SELECT encode(sha256(convert_to(string_agg(o::text, chr(10) ORDER BY id), 'UTF8')), 'hex') FROM orders o")).trim();

/** Waits until bytes have moved, then kills the worker as an operator or the OOM killer would. Null: the copy was over before. */
async function killWorkerInMidCopy({ modosu, stateDirectory }: Stage, runId: string): Promise<number | null> {
  const until = performance.now() + 60_000;
  while (performance.now() < until) {
    const { steps } = await modosu.json<RunView>('run', 'show', runId);
    const copy = steps.find(({ key }) => key === 'copy:vda');
    if (copy?.state === 'running' && (copy.progress?.doneBytes ?? 0) > 0) {
      const worker = await readRecord(join(stateDirectory, 'run', 'processes', 'worker.json'));
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
async function undo(stage: Stage, ofRunId: string, reason: string): Promise<string> {
  const planId = await stage.plan(['run', 'undo', ofRunId]);
  stage.succeed(await stage.modosu.show('run', 'undo', ofRunId, '--plan', planId, '--confirm', 'db01', '--reason', reason, '--wait'), 'the undo');
  return stage.runOf(planId);
}

const estateOf = (mac: string): string => `servers:
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
