import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RebuildReport } from '../../src/contracts/catalog-copy';
import type { ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import type { AuditEntryView, RunView } from '../../src/contracts/run';
import type { ServerView } from '../../src/contracts/server';
import { checksumFiles, domainState, guestOutput, waitForAgent, type GuestServer } from '../guests/guest-server';
import { E2eStack } from '../support/e2e-stack';
import { eventually } from '../support/up-process';

/** The restore system itself is gone: its machine, its database, its secrets. What is left are the hypervisor and the repository. */
jest.setTimeout(1_200_000);
const NAME = 'e2e-rebuild';
const stack = new E2eStack({ MODOSU_CATALOG_COPY_SECONDS: '1' });
let guest: GuestServer;
let recoveryKey = '';
let wanted = '';
let held: ImageRecoveryPointView;
let last: ImageRecoveryPointView;
let before: ServerView;
let history: readonly RunView[] = [];

const inGuest = (script: string): Promise<string> => guestOutput(guest.uuid, ['sh', '-c', script]);
const keyFile = (): string => join(stack.directory, 'recovery-key');
const rebuild = async (...args: readonly string[]): Promise<{ readonly exitCode: number | null; readonly report: RebuildReport; readonly stderr: string }> => {
  const { exitCode, stdout, stderr } = await stack.cli(['catalog', 'rebuild', '--repository', stack.repository, ...args, '--output', 'json']);
  return { exitCode, stderr, report: (stdout === '' ? null : JSON.parse(stdout)) as RebuildReport };
};
const server = async (): Promise<ServerView> => (await stack.get<ServerView>(`/v1/servers/${NAME}`)).body;
const audit = async (): Promise<readonly AuditEntryView[]> =>
  (await stack.get<{ readonly items: readonly AuditEntryView[] }>('/v1/audit?limit=200')).body.items;

beforeAll(async () => {
  await stack.start();
  guest = await stack.addServer({ name: NAME, guest: 'minimal' });
  await stack.declarePolicy({ name: 'rarely', image: { schedule: { cron: '0 3 29 2 *' }, retention: { last: 100 } }, verification: null });
  await stack.declare(NAME, { policy: 'rarely' });
  await waitForAgent(guest.uuid, 120_000);
});
afterAll(() => stack.close());

it('what has happened is copied by itself, encrypted, and people are given the key', async () => {
  const shown = await stack.cli(['catalog', 'key']);
  expect(shown).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^[A-Za-z0-9_-]{32}\n$/) as string });
  recoveryKey = shown.stdout.trim();
  writeFileSync(keyFile(), shown.stdout, { mode: 0o600 });
  await inGuest('mkdir -p /opt/app; head -c 2000000 /dev/urandom > /opt/app/random; sync');
  held = await stack.backup(NAME, 'kept for ever', { mode: 'online' });
  await stack.post(`/v1/recovery-points/${held.id}/hold`, { reason: 'the auditors want it' });
  before = await server();
  await eventually(
    async () => (await stack.cli(['catalog', 'copies', '--repository', stack.repository, '--output', 'json'])).stdout,
    (text) => text.startsWith('[') && (JSON.parse(text) as readonly unknown[]).length > 0,
    60_000,
  );
  await eventually(
    async () => (await stack.cli(['doctor', '--output', 'json'])).stdout,
    (text) => text.includes('everything that has happened is in it'),
    60_000,
  );
});

it('on an empty machine all of it comes back: inventory, policy, hold, history, and the head of the audit', async () => {
  // Taken when the copies have stopped: only the repository tells of it.
  const copies = JSON.parse((await stack.cli(['catalog', 'copies', '--repository', stack.repository, '--output', 'json'])).stdout) as readonly {
    readonly copy: string;
  }[];
  await inGuest('head -c 100000 /dev/urandom > /opt/app/newer; sync');
  last = await stack.backup(NAME, 'after the last copy', { mode: 'online', full: false });
  wanted = await checksumFiles(guest.uuid, '/opt/app');
  history = (await stack.get<{ readonly items: readonly RunView[] }>('/v1/runs')).body.items;
  await stack.loseEverything();
  await expect(stack.get('/v1/servers')).resolves.toMatchObject({ body: { items: [] } });

  writeFileSync(join(stack.directory, 'wrong-key'), 'another-key-of-somebody-else-000\n');
  await expect(rebuild('--key-file', join(stack.directory, 'wrong-key'))).resolves.toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('RECOVERY_KEY_WRONG') as string,
  });
  await expect(rebuild()).resolves.toMatchObject({ exitCode: 1, stderr: expect.stringContaining('--key-file') as string });
  const tried = await rebuild('--key-file', keyFile(), '--copy', copies[0]?.copy ?? '', '--dry-run');
  expect(tried.report).toMatchObject({ isDryRun: true, rows: { server: 1 } });
  await expect(stack.get('/v1/servers')).resolves.toMatchObject({ body: { items: [] } });

  const { exitCode, report, stderr } = await rebuild('--key-file', keyFile(), '--copy', copies[0]?.copy ?? '');
  expect(stderr).not.toContain(recoveryKey);
  expect({ exitCode, missing: report.missing, notLooked: report.notLooked.filter(({ where }) => !where.startsWith('data repository')) }).toEqual({
    exitCode: expect.any(Number) as number,
    missing: [],
    notLooked: [],
  });
  expect(report).toMatchObject({
    rows: { server: 1, policy: 1, recovery_point: 1 },
    audit: { intact: true },
    recoveryPoints: { known: 1, added: 1 },
    orphans: [],
  });
  const { id, uuid, lineageId, policy } = before;
  await expect(server()).resolves.toMatchObject({ id, uuid, lineageId, policy });
  await expect(stack.get(`/v1/recovery-points/${held.id}`)).resolves.toMatchObject({ body: { state: 'usable', hold: { reason: 'the auditors want it' } } });
  await expect(stack.get(`/v1/recovery-points/${last.id}`)).resolves.toMatchObject({ body: { state: 'usable', parentId: held.id } });
  const runs = (await stack.get<{ readonly items: readonly RunView[] }>('/v1/runs')).body.items;
  expect(runs.map(({ id, state }) => [id, state])).toEqual(history.filter(({ id }) => id !== last.runId).map(({ id, state }) => [id, state]));
  expect((await audit()).find(({ action }) => action === 'catalog.rebuilt')?.details).toMatchObject({ auditBefore: { seq: report.audit?.entries } });
  await expect(stack.get('/v1/audit/verify')).resolves.toMatchObject({ body: { intact: true } });
  // Once only; what is there already is compared, not made again.
  await expect(rebuild('--key-file', keyFile())).resolves.toMatchObject({ exitCode: 5, stderr: expect.stringContaining('CATALOG_NOT_EMPTY') as string });
  const compared = await stack.cli(['catalog', 'compare', '--output', 'json']);
  expect(JSON.parse(compared.stdout)).toMatchObject({ recoveryPoints: { known: 2, added: 0 }, servers: { added: [] }, orphans: [], missing: [] });
  await expect(stack.cli(['catalog', 'compare', '--dry-run'])).resolves.toMatchObject({
    stdout: expect.stringContaining('Recovery points: 2 known, 0 added.') as string,
  });
  await expect(stack.cli(['catalog', 'confuse'])).resolves.toMatchObject({ exitCode: 2 });
});

it('a restore from what only the repository told of succeeds, and backups go on', async () => {
  await inGuest('rm -rf /opt/app; sync');
  const restored = await stack.finished((await stack.startRestore(await stack.plan(NAME, last.id))).id);
  expect(restored).toMatchObject({ state: 'succeeded' });
  await waitForAgent(guest.uuid, 120_000);
  expect(await checksumFiles(guest.uuid, '/opt/app')).toBe(wanted);
  expect(await domainState(guest.uuid)).toBe('running');
});

it('without the key, and without any copy, the recovery points alone bring their servers back', async () => {
  await stack.loseEverything();
  rmSync(join(stack.repository, 'catalogue'), { recursive: true });
  await expect(rebuild('--key-file', keyFile())).resolves.toMatchObject({ exitCode: 3, stderr: expect.stringContaining('CATALOG_COPY_NOT_FOUND') as string });
  const { report } = await rebuild('--without-copy');
  expect(report).toMatchObject({ copy: null, servers: { found: 1, added: [NAME] }, missing: [], orphans: [] });
  expect(report.recoveryPoints.added).toBeGreaterThanOrEqual(2);
  await expect(server()).resolves.toMatchObject({ id: before.id, uuid: before.uuid, policy: null });
  await inGuest('rm -rf /opt/app; sync');
  const restored = await stack.finished((await stack.startRestore(await stack.plan(NAME, last.id))).id);
  expect(restored).toMatchObject({ state: 'succeeded' });
  await waitForAgent(guest.uuid, 120_000);
  expect(await checksumFiles(guest.uuid, '/opt/app')).toBe(wanted);
});
