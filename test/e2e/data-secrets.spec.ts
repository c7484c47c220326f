import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, escapeIdentifier } from 'pg';
import type { CredentialDeclaration } from '../../src/contracts/credential';
import type { RestorePlanView } from '../../src/contracts/plan';
import type { RecoveryPointView } from '../../src/contracts/recovery-point';
import type { RunView } from '../../src/contracts/run';
import { guestOutput, guestSql, waitForAgent, waitForPostgresql, type GuestServer } from '../guests/guest-server';
import { SHOP, UPLOADS } from '../support/e2e-data-sets';
import { E2eStack } from '../support/e2e-stack';
import { ArgvWatch, filesBelow, GuestArgvWatch, guestFilesWith, SecretHunt } from '../support/secret-hunt';

/**
 * The canary: while data is saved and brought back, and when that fails loudly, nothing secret shows anywhere. Each search finds first what has to be there:
 * one that looked elsewhere would prove nothing.
 */
jest.setTimeout(1_200_000);
const NAME = `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}data-secrets`;
const ROOT: CredentialDeclaration = { account: 'root', store: 'people', path: `servers/${NAME}`, reapply: true };
const PASSWORDS = [1, 2].map((version) => `v${version}-${randomBytes(12).toString('hex')}`);

const stack = new E2eStack({ MODOSU_LOG_LEVEL: 'debug' }, 480_000);
const printed: string[] = [];
const answers: string[] = [];
let guest: GuestServer;
let hunt: SecretHunt;
let runId: string;
let onHost: string;
let inGuest: string;

const sh = (script: string): Promise<string> => guestOutput(guest.uuid, ['sh', '-euc', script], { timeoutMs: 60_000 });
const cli = async (...args: readonly string[]): Promise<string> => {
  const { stdout, stderr } = await stack.cli(args);
  printed.push(stdout, stderr);
  return stdout;
};
const answerOf = async <T>(path: string): Promise<T> => {
  const { body } = await stack.get<T>(path);
  answers.push(JSON.stringify(body));
  return body;
};
/** In the secret store of people, so many versions. */
const keepPasswords = (count: number): void => {
  const versions = PASSWORDS.slice(0, count).map((password, index) => ({ version: index + 1, password }));
  writeFileSync(join(stack.directory, 'passwords.yaml'), JSON.stringify({ credentials: { [ROOT.path]: { versions } } }), { mode: 0o600 });
};
const succeeded = (run: RunView): RunView => {
  expect(run).toMatchObject({ state: 'succeeded', error: null });
  return run;
};

/** All that people do with data, watched; then a restic that prints its environment before it fails. */
beforeAll(async () => {
  await stack.start();
  const stores = [{ name: ROOT.store, kind: 'file', path: join(stack.directory, 'passwords.yaml') }];
  writeFileSync(join(stack.stateDirectory, 'secret-stores.yaml'), JSON.stringify({ stores }), { mode: 0o644 });
  keepPasswords(1);
  guest = await stack.addServer({
    name: NAME,
    guest: 'postgresql',
    memoryMiB: 384,
    dataDisk: { sizeBytes: 256 * 1024 * 1024, format: 'qcow2' },
    protection: { dataSets: [UPLOADS, SHOP], credentials: [ROOT] },
  });
  await waitForAgent(guest.uuid, 120_000);
  await waitForPostgresql(guest.uuid, 120_000);
  await sh('mkdir /data/uploads; /usr/bin/head -c 3000000 /dev/urandom > /data/uploads/blob; echo one > /data/uploads/one');

  const [host, inside] = [new ArgvWatch(), await GuestArgvWatch.begin(guest.uuid, '/data/seen')];
  await cli('backup', 'data', NAME, '--reason', 'daily', '--wait');
  keepPasswords(2);
  await sh('rm /data/uploads/one');
  await guestSql(guest.uuid, 'DROP TABLE orders');
  const files = succeeded(await stack.restoreData(NAME, 'uploads', { kind: 'files', paths: [], replace: true }));
  const orders = succeeded(
    await stack.restoreData(NAME, 'shop', {
      kind: 'postgresql',
      database: 'shop',
      tables: [{ schema: 'public', name: 'orders' }],
      schemas: [],
      whole: false,
      replace: false,
    }),
  );
  succeeded(await stack.finished((await stack.undo(orders.id)).id));
  runId = files.id;

  await sh(`mv /usr/bin/restic /usr/bin/restic.real
    printf '%s\\n' '#!/bin/sh' 'case " $* " in *" backup "*) echo "$RESTIC_PASSWORD"; env | grep RESTIC; env | grep RESTIC >&2; echo "Fatal: wrong password or no key found" >&2; exit 1;; esac' 'exec restic.real "$@"' > /usr/bin/restic
    chmod 755 /usr/bin/restic`);
  const shouted = await stack.finished((await stack.startDataBackup(NAME, ['uploads'])).id);
  await sh('mv -f /usr/bin/restic.real /usr/bin/restic');
  expect(shouted).toMatchObject({
    state: 'failed',
    error: { code: 'DATA_REPOSITORY_KEY_WRONG', message: expect.stringContaining('RESTIC_PASSWORD=[redacted]') as string },
  });
  [onHost, inGuest] = [host.end(), await inside.end()];
  hunt = new SecretHunt(new Map([...stack.secrets(), ...PASSWORDS.map((password, index) => [`password ${index + 1}`, password] as const)]));
  await stack.expectOrder(await stack.run(runId));
});
afterAll(() => stack.close());

it('there are secrets to look for, and they are found in whatever form they have', () => {
  const names = [...stack.secrets().keys()];
  expect(names).toEqual(
    expect.arrayContaining([
      'admin-token',
      'database-app-password',
      'data/probe/login',
      expect.stringMatching(/^payload key /),
      expect.stringMatching(/^data\/srv_\w+\/login$/),
      expect.stringMatching(/^data\/srv_\w+\/repository$/),
      expect.stringMatching(/^data\/srv_\w+\/manifest$/),
      expect.stringMatching(/^hash of srv_/),
    ]),
  );
  for (const [name, secret] of stack.secrets()) {
    expect(secret.length).toBeGreaterThanOrEqual(20);
    for (const text of [
      secret,
      encodeURIComponent(secret),
      ...['', 'a', 'ab', 'abc'].map((before) => Buffer.from(`${before}${secret}:x`).toString('base64')),
    ]) {
      expect(hunt.in(`before ${text} after`)).toContain(name);
      expect(hunt.in(Buffer.from(`before ${text} after`))).toContain(name);
    }
  }
  expect(hunt.in('nothing at all')).toEqual([]);
});

it('recovery points remember which version of a password was valid, and the plan says that it was changed since', async () => {
  const points = await stack.dataPoints(NAME);
  const remembered = (purpose: string) =>
    points.filter((point) => point.purpose === purpose).map(({ credentials }) => credentials?.map(({ version }) => version));
  expect(remembered('backup')).toEqual([['1'], ['1']]);
  expect(remembered('safety')).toEqual([['2'], ['2']]);
  const { body } = await answerOf<RestorePlanView>(`/v1/restore-plans/${(await stack.run(runId)).planId}`);
  expect(body).toMatchObject({ credentials: [{ account: 'root', then: { version: '1' }, now: { version: '2' }, changed: 'yes', isSet: false }] });
  expect(body?.findings).toContainEqual(expect.objectContaining({ code: 'CREDENTIAL_ROTATED', severity: 'warn' }));
});

it('in the arguments of a process, on the host or in the guest', () => {
  expect(onHost).toContain('virsh');
  expect(onHost).toContain('restic --no-cache');
  expect(onHost).toContain('rclone serve restic');
  expect(hunt.in(onHost)).toEqual([]);
  expect(inGuest).toMatch(/^restic .*--no-cache backup/m);
  expect(inGuest).toMatch(/^restic .*--no-cache restore/m);
  expect(hunt.in(inGuest)).toEqual([]);
});

it('in a file of the guest', async () => {
  const passwords = [...stack.secrets()].filter(([name]) => name.startsWith('data/')).map(([, secret]) => secret);
  await sh('echo canary-in-the-guest > /data/canary');
  expect(await guestFilesWith(guest.uuid, ['canary-in-the-guest'], ['/data'])).toEqual(['/data/canary']);
  expect(await guestFilesWith(guest.uuid, passwords, ['/data', '/etc', '/root', '/run', '/tmp', '/var'])).toEqual([]);
});

it("in Temporal's raw bytes", () => {
  const directory = join(stack.stateDirectory, 'temporal');
  const bytes = filesBelow(directory)
    .map((file) => readFileSync(file, 'latin1'))
    .join('\n');
  expect(bytes).toContain(runId);
  expect(bytes).toContain('binary/encrypted');
  expect(hunt.inFiles(directory)).toEqual([]);
});

it("in PostgreSQL's tables", async () => {
  const client = new Client({ connectionString: readFileSync(join(stack.stateDirectory, 'secrets/database-owner-url'), 'utf8').trim() });
  await client.connect();
  try {
    const tables = (
      await client.query<{ readonly schema: string; readonly name: string }>(
        "SELECT schemaname AS schema, tablename AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
      )
    ).rows;
    let contents = '';
    for (const { schema, name } of tables) {
      for (const { row } of (await client.query<{ readonly row: string }>(`SELECT t::text AS row FROM ${escapeIdentifier(schema)}.${escapeIdentifier(name)} t`))
        .rows) {
        contents += `${row}\n`;
      }
    }
    expect(contents).toContain(runId);
    expect(contents).toContain('RESTIC_PASSWORD=[redacted]');
    expect(hunt.in(contents)).toEqual([]);
  } finally {
    await client.end();
  }
});

it('in a log, or in any other file of the state directory but the secrets themselves', () => {
  const logs = filesBelow(join(stack.stateDirectory, 'logs'))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
  expect(logs).toContain(runId);
  expect(logs).toContain('RESTIC_PASSWORD=[redacted]');
  expect(hunt.inFiles(stack.stateDirectory, ['secrets'])).toEqual([]);
  expect(hunt.inFiles(join(stack.stateDirectory, 'secrets')).length).toBeGreaterThan(0);
});

it('in an answer of the API', async () => {
  for (const run of (await answerOf<{ readonly items: readonly RunView[] }>(`/v1/runs?server=${NAME}`)).items) {
    await answerOf(`/v1/runs/${run.id}`);
    if (run.planId !== null) await answerOf(`/v1/restore-plans/${run.planId}`);
  }
  for (const point of (await answerOf<{ readonly items: readonly RecoveryPointView[] }>(`/v1/recovery-points?server=${NAME}`)).items) {
    await answerOf(`/v1/recovery-points/${point.id}`);
  }
  for (const path of ['/v1/audit?limit=200', `/v1/servers/${NAME}`, '/v1/servers', `/v1/way-backs?server=${NAME}`, '/healthz']) await answerOf(path);
  const all = answers.join('\n');
  expect(all).toContain('RESTIC_PASSWORD=[redacted]');
  expect(all).toContain('"snapshotId"');
  expect(hunt.in(all)).toEqual([]);
});

it('in what the program prints', async () => {
  for (const output of ['table', 'json']) {
    const runs = await cli('run', 'list', '--server', NAME, '--output', output);
    for (const id of new Set(runs.match(/run_[0-9a-z]{26}/g))) await cli('run', 'show', id, '--output', output);
    for (const args of [['recovery-point', 'list', '--server', NAME], ['audit', 'list'], ['server', 'show', NAME], ['way-back', 'list'], ['doctor']]) {
      await cli(...args, '--output', output);
    }
  }
  const all = `${printed.join('\n')}\n${stack.printed}`;
  expect(all).toContain(runId);
  expect(all).toContain('RESTIC_PASSWORD=[redacted]');
  expect(hunt.in(all)).toEqual([]);
});
