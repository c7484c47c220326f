import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, escapeIdentifier } from 'pg';
import { ERROR_CODES } from '../../src/contracts/error-codes';
import { newId } from '../../src/contracts/ids';
import type { RunView } from '../../src/contracts/run';
import { cutPower, destroyGuestServer, domainState, startGuest, type GuestServer } from '../guests/guest-server';
import { mustRun, virsh } from '../guests/run-program';
import { E2eStack, type Problem } from '../support/e2e-stack';

/**
 * What people get wrong, against a whole installation: the code and the words they get, and that nothing was lost or half-made. No guest has to
 * boot for it. docs/COVERAGE.md lists every kind of bad input with the test that proves it.
 */
jest.setTimeout(1_200_000);
const MAIN = 'e2e-bad-main';
const stack = new E2eStack({ MODOSU_COPY_RATE_LIMIT: String(8 * 1024 * 1024) });
const bare: { readonly uuid: string; readonly name: string; readonly directory: string }[] = [];
let main: GuestServer;

beforeAll(async () => {
  await stack.start();
  main = await stack.addServer({ name: MAIN, guest: 'minimal', start: false });
});
afterAll(async () => {
  for (const server of bare) await destroyGuestServer(server);
  await stack.close();
});

/** The mark that a run's token is used up stays: it is no part of what the definition says. */
const definition = async (uuid: string): Promise<string> =>
  (await virsh(['dumpxml', '--inactive', uuid])).replace(/^ *<metadata>\n.*modosu.dev\/fence.*\n *<\/metadata>\n/m, '');
const path = (name: string): string => join(stack.directory, name);
const diskXml = (file: string): string =>
  `<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${file}'/><target dev='vda' bus='virtio'/></disk>`;

/** A domain that never runs, with these devices, declared in the estate. It names the directory, so that it is removed with it should this run be killed. */
async function declareBare(name: string, devices: string): Promise<string> {
  const uuid = randomUUID();
  bare.push({ uuid, name, directory: stack.directory });
  const file = path(`${name}.xml`);
  await writeFile(
    file,
    `<domain type='qemu'><name>${name}</name><uuid>${uuid}</uuid><description>${stack.directory}</description><memory unit='MiB'>32</memory><os><type arch='x86_64' machine='q35'>hvm</type></os><devices>${devices}</devices></domain>`,
  );
  await virsh(['define', file]);
  await declare(name, 'main');
  return uuid;
}

/** Adds to the estate; what it does not name is kept. */
async function declare(name: string, repository: string, repositories: readonly object[] = []): Promise<void> {
  const { hypervisors, repositories: own } = stack.estate() as { readonly hypervisors: readonly object[]; readonly repositories: readonly object[] };
  const estate = { hypervisors, repositories: [...own, ...repositories], servers: [{ name, domain: name, hypervisor: 'local', repository }] };
  expect((await stack.post('/v1/estate', { estate })).status).toBe(200);
}

const backUp = (name: string) => stack.cli(['backup', 'image', name, '--mode', 'offline', '--reason', 'try', '--wait', '--timeout', '60s', '--output', 'json']);
const stateOf = (run: RunView, key: string): string | undefined => run.steps.find((step) => step.key === key)?.state;
const runCount = async (): Promise<number> => (await stack.get<{ readonly items: readonly object[] }>('/v1/runs?limit=200')).body.items.length;

describe('a server of which no image can be taken', () => {
  const cases: readonly [what: string, name: string, code: keyof typeof ERROR_CODES, message: RegExp, devices: () => Promise<string>][] = [
    ['without disks', 'e2e-bad-none', 'SERVER_HAS_NO_DISKS', /^e2e-bad-none has no disk\.$/, async () => ''],
    [
      'with a CD-ROM only',
      'e2e-bad-cd',
      'SERVER_HAS_NO_DISKS',
      /^e2e-bad-cd has no disk; CD-ROMs and floppies are not imaged\.$/,
      async () => `<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>`,
    ],
    [
      'whose disk file is missing',
      'e2e-bad-missing',
      'DISK_FILE_MISSING',
      /^The disk file .*\/no-such-disk\.qcow2 does not exist\.$/,
      async () => diskXml(path('no-such-disk.qcow2')),
    ],
    [
      'whose disk names a json: backing file',
      'e2e-bad-json',
      'IMAGE_HEADER_REFUSED',
      /hostile\.qcow2.* was refused: .*json:/,
      async () => {
        const backing = 'json:{"driver":"raw","file":{"driver":"file","filename":"/etc/shadow"}}';
        await mustRun('COPY_FAILED', 'qemu-img', ['create', '-q', '-u', '-f', 'qcow2', '-F', 'raw', '-b', backing, path('hostile.qcow2'), '16M']);
        return diskXml(path('hostile.qcow2'));
      },
    ],
  ];

  it.each(cases)('%s: the backup fails, says why and what to do, and changes nothing', async (_what, name, code, message, devices) => {
    const uuid = await declareBare(name, await devices());
    const before = await definition(uuid);

    const { exitCode, stdout, stderr } = await backUp(name);

    expect(exitCode).toBe(6);
    expect(stderr).toMatch(new RegExp(`^error: RUN_FAILED: Run run_\\w+ failed: ${code}: `, 'm'));
    const run = JSON.parse(stdout) as RunView;
    expect(run).toMatchObject({ state: 'failed', error: { code, message: expect.stringMatching(message) as string, hint: ERROR_CODES[code].hint } });
    expect(run.steps.map(({ key, state }) => [key, state])).toEqual([['examine', 'failed']]);
    expect(await definition(uuid)).toBe(before);
    expect(await domainState(uuid)).toBe('shut off');
    expect(await stack.images(name)).toEqual([]);
    await stack.expectOrder(run);
    // A second request is let in: the failed run holds nothing.
    expect((await stack.get<{ readonly openRunId: string | null }>(`/v1/servers/${name}`)).body.openRunId).toBeNull();
  });
});

describe('room and directories', () => {
  it('a repository that is too small is refused with numbers before the server is stopped', async () => {
    const small = path('small-repository');
    mkdirSync(small, { mode: 0o700 });
    await mustRun('COPY_FAILED', 'mount', ['-t', 'tmpfs', '-o', 'size=80m,mode=0700', 'tmpfs', small]);
    try {
      await declare(MAIN, 'small', [{ name: 'small', kind: 'directory', path: small }]);
      await startGuest(main.uuid);
      const domainId = (await virsh(['domid', main.uuid])).trim();
      const before = await definition(main.uuid);

      const { exitCode, stdout } = await backUp(MAIN);

      expect(exitCode).toBe(6);
      const run = JSON.parse(stdout) as RunView;
      expect(run.error?.code).toBe('NOT_ENOUGH_SPACE');
      expect(run.error?.message).toMatch(/^The repository small has [\d.]+ MiB free in \/.*small-repository; [\d.]+ MiB and a reserve of 64 MiB are needed/);
      expect(run.error?.hint).toMatch(/^Free the amount named/);
      expect(stateOf(run, 'reserve')).toBe('failed');
      for (const key of ['stop', 'copy:vda', 'publish']) expect(stateOf(run, key)).toBe('skipped');
      // The same QEMU process all the while.
      expect((await virsh(['domid', main.uuid])).trim()).toBe(domainId);
      expect(await definition(main.uuid)).toBe(before);
      expect(readdirSync(join(small, 'staging'))).toEqual([]);
      await stack.expectOrder(run);
    } finally {
      if ((await domainState(main.uuid)) === 'running') await cutPower(main.uuid);
      await declare(MAIN, 'main');
      await mustRun('COPY_FAILED', 'umount', [small]);
    }
  });

  it("the directory of the server's disks that vanishes in mid-copy is waited for; the server is left alone, and a cancel leaves nothing when the directory is back", async () => {
    const point = await stack.backup(MAIN, 'baseline');
    const [before, disk] = [await definition(main.uuid), statSync(main.systemDisk.path)];
    const { id } = await stack.startRestore(await stack.plan(MAIN, point.id));
    await stack.copyUnderWay(id, 'vda');
    const halfMade = `${main.systemDisk.path}.${id}`;
    expect(existsSync(halfMade)).toBe(true);
    const aside = `${main.directory}.unmounted`;
    renameSync(main.directory, aside);
    try {
      const { state, retrying } = await stack.triedAgain(id, 'TARGET_UNREACHABLE');
      expect(state).toBe('running');
      expect(retrying?.error).toMatchObject({
        message: expect.stringContaining(main.directory) as string,
        hint: expect.stringContaining('mount it') as string,
      });
      expect((await stack.cli(['run', 'show', id])).stdout).toMatch(/^Tried again: attempt \d+ failed at .*: TARGET_UNREACHABLE: .*\nhint: {2}.*mount it/m);
      expect((await stack.post(`/v1/runs/${id}/cancel`)).status).toBe(202);
      // Heard at once, also while the copy waits for its next try; what the copy left is out of reach, so it is not over.
      expect((await stack.stepIs(id, 'copy:vda', 'failed')).state).toBe('running');
    } finally {
      renameSync(aside, main.directory);
    }
    const run = await stack.finished(id);

    expect(run).toMatchObject({ state: 'cancelled' });
    expect(run.error?.message ?? '').not.toContain('could not be undone');
    for (const key of ['stop', 'swap', 'start']) expect([undefined, 'skipped']).toContain(stateOf(run, key));
    expect(await definition(main.uuid)).toBe(before);
    expect(statSync(main.systemDisk.path)).toMatchObject({ ino: disk.ino, size: disk.size, mtimeMs: disk.mtimeMs });
    expect(existsSync(halfMade)).toBe(false);
    await stack.expectOrder(run);
    expect((await stack.images(MAIN)).map(({ state }) => state)).toEqual(['usable']);
  });

  it('a plan while the repository is away says so within seconds, and can be made when it is back', async () => {
    const aside = `${stack.repository}.unmounted`;
    renameSync(stack.repository, aside);
    try {
      const { exitCode, stdout, stderr } = await stack.cli(['restore', 'plan', MAIN, '--scenario', 'server', '--timeout', '30s']);
      expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
      expect(stderr).toMatch(/^error: REPOSITORY_UNREACHABLE: .*repository.*\nhint: {2}Mount or create the repository directory named/m);
    } finally {
      renameSync(aside, stack.repository);
    }
    expect((await stack.plan(MAIN)).state).toBe('ready');
    expect((await stack.images(MAIN)).map(({ state }) => state)).toEqual(['usable']);
  });

  it('a missing disk file forbids a backup, not the restore that brings it back', async () => {
    const aside = `${main.systemDisk.path}.lost`;
    renameSync(main.systemDisk.path, aside);
    try {
      const refused = JSON.parse((await backUp(MAIN)).stdout) as RunView;
      expect(refused).toMatchObject({
        state: 'failed',
        error: { code: 'DISK_FILE_MISSING', message: expect.stringContaining(main.systemDisk.path) as string },
      });
      const plan = await stack.plan(MAIN);
      expect(plan.state).toBe('ready');
      expect(plan.body?.findings.filter(({ severity }) => severity === 'block')).toEqual([]);
      await stack.expectOrder(refused);
    } finally {
      renameSync(aside, main.systemDisk.path);
    }
    expect(await stack.images(MAIN)).toHaveLength(1);
  });
});

describe('the program `modosu`', () => {
  it.each([
    ['an unknown server', ['server', 'show', 'e2e-bad-nobody'], 'SERVER_NOT_FOUND'],
    ['a backup of an unknown server', ['backup', 'image', 'e2e-bad-nobody', '--mode', 'offline', '--reason', 'x'], 'SERVER_NOT_FOUND'],
    ['a plan for an unknown server', ['restore', 'plan', 'e2e-bad-nobody', '--scenario', 'server'], 'SERVER_NOT_FOUND'],
    ['an unknown recovery point', ['restore', 'plan', MAIN, '--scenario', 'server', '--recovery-point', newId('rp')], 'RECOVERY_POINT_NOT_FOUND'],
    ['an unknown plan', ['restore', 'run', newId('plan'), '--reason', 'x', '--confirm', MAIN], 'PLAN_NOT_FOUND'],
    ['an unknown run', ['run', 'show', newId('run')], 'RUN_NOT_FOUND'],
  ] as const)('%s: exit code 3, the code and what to do; nothing is started', async (_what, argv, code) => {
    const before = await runCount();
    const { exitCode, stdout, stderr } = await stack.cli(argv);
    expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: '' });
    expect(stderr).toMatch(new RegExp(`^error: ${code}: .+\\n(run: .+\\n)?hint: {2}.+\\n$`));
    expect(await runCount()).toBe(before);
  });

  it('no token and a wrong token: exit code 4', async () => {
    const { apiUrl } = JSON.parse(readFileSync(join(stack.stateDirectory, 'run/endpoints.json'), 'utf8')) as { readonly apiUrl: string };
    const noToken = { MODOSU_STATE_DIR: '/nonexistent', MODOSU_API_URL: apiUrl };
    expect(await stack.cli(['server', 'list'], noToken)).toMatchObject({
      exitCode: 4,
      stdout: '',
      stderr: expect.stringMatching(/^error: TOKEN_MISSING: .*\nhint: {2}.*MODOSU_TOKEN/) as string,
    });
    const wrong = await stack.cli(['backup', 'image', MAIN, '--mode', 'offline', '--reason', 'x'], { MODOSU_TOKEN: 'mds_wrong-but-shapely' });
    expect(wrong).toMatchObject({ exitCode: 4, stdout: '', stderr: expect.stringMatching(/^error: TOKEN_INVALID: /) as string });
    expect(wrong.stderr).not.toContain('shapely');
  });

  it('an API that is down: exit code 10', async () => {
    expect(await stack.cli(['server', 'list'], { MODOSU_API_URL: 'http://127.0.0.1:1' })).toMatchObject({
      exitCode: 10,
      stdout: '',
      stderr: expect.stringMatching(/^error: API_UNREACHABLE: .*\nhint: {2}Start Modosu with `modosu up`/) as string,
    });
  });

  it('a malformed estate file: exit code 2, line and path of each error, and the estate is as it was', async () => {
    const before = (await stack.get('/v1/servers')).body;
    const file = path('estate.yaml');
    await writeFile(file, 'hypervisors:\n  - name: local\n    kind: xen\nservers:\n  - name: "-rf"\n    hypervisor: local\n    repository: main\n');
    const { exitCode, stdout, stderr } = await stack.cli(['apply', '-f', file]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(/^error: ESTATE_INVALID: /);
    expect(stderr).toMatch(/estate\.yaml:3:11: hypervisors\[0\]\.kind: /);
    expect(stderr).toMatch(/estate\.yaml:5:11: servers\[0\]\.name: /);
    expect((await stack.get('/v1/servers')).body).toEqual(before);
  });

  it.each(['../../etc', 'a b', `it's`, 'two\nlines', '-rf', '戻す'])(
    'the name %j of a server is answered in words on one line, and nothing is started',
    async (name) => {
      const before = await runCount();
      const { exitCode, stdout, stderr } = await stack.cli(['backup', 'image', '--mode', 'offline', '--reason', 'x', '--', name]);
      expect(stdout).toBe('');
      expect(exitCode).toBe(name === '戻す' ? 3 : 2);
      expect(stderr).toMatch(name === '戻す' ? /^error: SERVER_NOT_FOUND: .*戻す.*\nhint: / : /^error: NAME_INVALID: .*\nhint: /);
      expect(await runCount()).toBe(before);
    },
  );
});

describe('requests that meet a run', () => {
  it('a second backup is refused with the id of the run that holds the server; the same request again is the same run', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const body = { kind: 'image', mode: 'offline', reason: 'the first' };
    const first = await stack.post<RunView>(`/v1/servers/${MAIN}/backups`, body, headers);
    await stack.copyUnderWay(first.body.id, 'vda');

    expect((await stack.post<RunView>(`/v1/servers/${MAIN}/backups`, body, headers)).body.id).toBe(first.body.id);
    const second = await stack.post<Problem>(`/v1/servers/${MAIN}/backups`, body);
    expect(second).toMatchObject({
      status: 409,
      body: { code: 'SERVER_BUSY', runId: first.body.id, hint: expect.stringContaining(`modosu run watch ${first.body.id}`) as string },
    });
    const byHand = await stack.cli(['backup', 'image', MAIN, '--mode', 'offline', '--reason', 'beside']);
    expect(byHand).toMatchObject({ exitCode: 5, stdout: '', stderr: expect.stringContaining(first.body.id) as string });

    const run = await stack.finished(first.body.id);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect((await stack.images(MAIN)).map(({ generation }) => generation)).toEqual([2, 1]);
    await stack.expectOrder(run);
  });
});

/** Last, so that everything above has left its traces. */
describe('after all this, no secret stands', () => {
  const secretsIn = (text: string): readonly string[] => [...stack.secrets()].filter(([, secret]) => text.includes(secret)).map(([name]) => name);
  const filesBelow = (directory: string): readonly string[] =>
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  let runId: string;

  beforeAll(async () => {
    runId = (await stack.get<{ readonly items: readonly RunView[] }>(`/v1/runs?server=${MAIN}`)).body.items[0]?.id ?? '';
    expect(runId).toMatch(/^run_/);
    expect(stack.secrets().size).toBeGreaterThanOrEqual(5);
    expect([...stack.secrets()].filter(([, secret]) => secret.length < 20)).toEqual([]);
  });

  it("in Temporal's raw bytes: histories, search attributes, everything; and no input is readable", () => {
    const bytes = filesBelow(join(stack.stateDirectory, 'temporal'))
      .map((file) => readFileSync(file, 'latin1'))
      .join('\n');
    expect(bytes).toContain(runId); // a search attribute: these are the bytes meant
    expect(bytes).toContain('binary/encrypted');
    expect(secretsIn(bytes)).toEqual([]);
    expect(bytes).not.toContain('fencingToken');
    expect(bytes).not.toContain('no-such-disk.qcow2');
  });

  it("in PostgreSQL's tables", async () => {
    const client = new Client({ connectionString: readFileSync(join(stack.stateDirectory, 'secrets/database-owner-url'), 'utf8').trim() });
    await client.connect();
    try {
      const tables = (
        await client.query<{ readonly name: string }>(
          "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
        )
      ).rows;
      expect(tables.length).toBeGreaterThan(5);
      let contents = '';
      for (const { name } of tables) {
        for (const { row } of (await client.query<{ readonly row: string }>(`SELECT t::text AS row FROM ${escapeIdentifier(name)} t`)).rows) {
          contents += `${row}\n`;
        }
      }
      expect(contents).toContain(runId);
      expect(secretsIn(contents)).toEqual([]);
    } finally {
      await client.end();
    }
  });

  it('in a log file, in the repository, or in the arguments of a process', () => {
    const logs = filesBelow(join(stack.stateDirectory, 'logs'))
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n');
    expect(logs).toContain(runId);
    expect(secretsIn(logs)).toEqual([]);
    const stored = filesBelow(stack.repository)
      .filter((file) => !file.endsWith('.qcow2'))
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n');
    expect(stored).toContain(MAIN);
    expect(secretsIn(stored)).toEqual([]);
    const argv = stack
      .processes()
      .map((pid) => (existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : ''))
      .join('\n');
    expect(argv).toContain(stack.stateDirectory);
    expect(secretsIn(argv)).toEqual([]);
  });
});
