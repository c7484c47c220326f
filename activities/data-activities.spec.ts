import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MockActivityEnvironment } from '@temporalio/testing';
import { boundedOutput } from '../src/guests/bounded-output';
import { boundedProgram } from '../test/support/bounded-program';
import { FakeDataRepository } from '../test/support/fake-data-repository';
import { HostAgent } from '../test/support/host-agent';
import type { FilesDataSet, FilesSelection } from '../src/contracts/data';
import { ModosuError } from '../src/contracts/errors';
import { newId } from '../src/contracts/ids';
import { NO_PROTECTION } from '../src/contracts/protection';
import type { Fence } from '../src/contracts/server';
import type { KeptDataRecord } from '../src/contracts/way-back';
import type { DataBackupItem, DataRestoreItem, RunInput, UndoInput } from '../src/contracts/workflows';
import { DATA_TAG, dataSetTag, recoveryPointTag } from '../src/repositories/data/data-repository';
import { DataCalls } from './data-activities';
import { DataTransfers } from './data-transfer-activities';
import { compareNow, type FilesItem } from './data-work';
import type { ActivityDependencies } from './dependencies';

/** Work on data with the real programs of this host in the place of a guest's, and a repository in memory. Staging directories are root's alone. */
const asRoot = process.getuid?.() === 0 ? describe : describe.skip;
const SERVER = 'srv_01aaaaaaaaaaaaaaaaaaaaaaaa';
const INPUT = { runId: 'run-0001', serverId: SERVER, serverName: 'db01', uuid: 'u', hypervisor: 'kvm1', fencingToken: 7 } as unknown as RunInput;
const signal = new AbortController().signal;

let root: string;
let site: string;
let agent: HostAgent;
let repository: FakeDataRepository;
/** Whether the run still holds the server, as the mark in the domain's metadata says. */
let isHeld: boolean;
beforeEach(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'modosu-data-work-')));
  site = join(root, 'site');
  mkdirSync(site);
  for (const name of ['a', 'b']) writeFileSync(join(site, name), 'now');
  agent = new HostAgent();
  isHeld = true;
  repository = new FakeDataRepository();
  await repository.ensure(SERVER);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const deps = (): ActivityDependencies =>
  ({
    hypervisor: async () => ({
      guestAgent: () => agent,
      requireFence: async (_server: unknown, { token }: Fence) => {
        if (!isHeld || token !== INPUT.fencingToken) throw new ModosuError('FENCED_OFF', 'another run holds the server');
      },
    }),
    catalog: { getServer: async () => ({ protection: NO_PROTECTION }), recordProgress: async () => undefined },
    dataRepository: async () => repository,
    log: { warn: () => undefined, info: () => undefined },
  }) as unknown as ActivityDependencies;

const dataSet = (change: Partial<FilesDataSet> = {}): FilesDataSet => ({
  kind: 'files',
  name: 'uploads',
  paths: [site],
  excludes: [],
  before: null,
  after: null,
  ...change,
});

function itemOf(files: Readonly<Record<string, string>>, selection: Partial<FilesSelection> = {}, paths: readonly [string, ...string[]] = [site]): FilesItem {
  const snapshotId = repository.take(SERVER, {
    hostname: 'x',
    tags: [],
    paths,
    files: Object.fromEntries(Object.entries(files).map(([path, text]) => [path, Buffer.from(text)])),
  });
  return {
    dataSet: dataSet({ paths }),
    recoveryPointId: 'rp_1',
    snapshotId,
    content: { kind: 'files', paths, files: 1, totalBytes: 1, problems: [] },
    selection: { kind: 'files', paths: [], replace: true, ...selection },
  };
}

describe('what a recovery point holds', () => {
  const compare = (item: FilesItem): Promise<unknown> => compareNow(agent, repository, SERVER, item, { signal });

  it('is not damaged by a path that people have named and that it does not hold', async () => {
    await expect(compare(itemOf({ [join(site, 'a')]: 'then' }, { paths: [join(site, 'tpyo')] }))).rejects.toMatchObject({
      code: 'DATA_NOT_IN_RECOVERY_POINT',
      message: expect.stringContaining('tpyo') as string,
    });
  });

  it('is incomplete when a declared path is not in it', async () => {
    await expect(compare(itemOf({ [join(site, 'a')]: 'then' }, {}, [site, join(root, 'declared')]))).rejects.toMatchObject({
      code: 'RECOVERY_POINT_INCOMPLETE',
      message: expect.stringContaining('declared') as string,
    });
  });
});

asRoot('a restore of files', () => {
  const fetch = (item: FilesItem, planned: number | null): Promise<unknown> =>
    new MockActivityEnvironment().run(() => new DataTransfers(deps()).fetchData(INPUT, item as DataRestoreItem, 'fetch', planned));

  it('is refused when many more files would be replaced than the plan says', async () => {
    const names = Array.from({ length: 12 }, (_, number) => join(site, `f${number}`));
    for (const name of names) writeFileSync(name, 'edited since the plan was read');
    const item = itemOf(Object.fromEntries(names.map((name) => [name, 'then'])));
    await expect(fetch(item, 1)).rejects.toMatchObject({
      code: 'PLAN_STALE',
      message: 'The plan says that 1 file is replaced; by now 12 differ from the recovery point. Nothing was replaced.',
    });
    // Some more are what people who work there make: it goes on to restic.
    await expect(fetch(item, 2)).rejects.not.toMatchObject({ code: 'PLAN_STALE' });
    expect(readFileSync(join(site, 'f1'), 'utf8')).toBe('edited since the plan was read');
  });

  it('is refused when there is no room beside the files, with numbers', async () => {
    const item = itemOf({ [join(site, 'gone')]: 'then' });
    const huge = repository.list.bind(repository);
    repository.list = async (...args) => (await huge(...args)).map((entry) => (entry.type === 'file' ? { ...entry, sizeBytes: 2 ** 50 } : entry));
    repository.sizeOf = async () => ({ files: 1, totalBytes: 2 ** 50 });
    await expect(fetch(item, null)).rejects.toMatchObject({
      code: 'GUEST_DISK_FULL',
      message: expect.stringMatching(/ free, and what is fetched beside the files there needs \d/) as string,
    });
  });
});

asRoot('names of one file', () => {
  it('need its room once', async () => {
    const item = itemOf({ [join(site, 'one')]: 'then', [join(site, 'two')]: 'then' });
    const list = repository.list.bind(repository);
    repository.list = async (...args) => (await list(...args)).map((entry) => (entry.type === 'file' ? { ...entry, sizeBytes: 2 ** 50 } : entry));
    repository.sizeOf = async () => ({ files: 2, totalBytes: 4 });
    // Goes on to restic, which is not in reach here.
    await expect(
      new MockActivityEnvironment().run(() => new DataTransfers(deps()).fetchData(INPUT, item as DataRestoreItem, 'fetch', null)),
    ).rejects.not.toMatchObject({ code: 'GUEST_DISK_FULL' });
  });
});

asRoot("a staging directory that is not root's alone", () => {
  it('keeps a failed restore from being called taken back', async () => {
    const staging = join(site, `.modosu-restore-${INPUT.runId}`);
    mkdirSync(staging, { mode: 0o755 });
    const item = itemOf({ [join(site, 'a')]: 'then' });
    const takeBack = (): Promise<unknown> => new MockActivityEnvironment().run(() => new DataCalls(deps()).takeDataBack(INPUT, item as DataRestoreItem));
    await expect(takeBack()).rejects.toMatchObject({ code: 'WAY_BACK_INCOMPLETE', hint: expect.stringContaining('chown') as string });
    chmodSync(staging, 0o700);
    await expect(takeBack()).resolves.toEqual({});
  });
});

asRoot('what an earlier attempt has fetched', () => {
  it('is removed before room is asked for: it is fetched again', async () => {
    const staging = join(site, `.modosu-restore-${INPUT.runId}`);
    mkdirSync(join(staging, 'new'), { recursive: true, mode: 0o700 });
    writeFileSync(join(staging, 'new', 'half'), 'half');
    const item = itemOf({ [join(site, 'gone')]: 'then' });
    const list = repository.list.bind(repository);
    repository.list = async (...args) => (await list(...args)).map((entry) => (entry.type === 'file' ? { ...entry, sizeBytes: 2 ** 50 } : entry));
    repository.sizeOf = async () => ({ files: 1, totalBytes: 2 ** 50 });
    await expect(
      new MockActivityEnvironment().run(() => new DataTransfers(deps()).fetchData(INPUT, item as DataRestoreItem, 'fetch', null)),
    ).rejects.toMatchObject({ code: 'GUEST_DISK_FULL' });
    expect(existsSync(join(staging, 'new'))).toBe(false);
  });
});

describe('a declared program', () => {
  const hook = (argv: readonly [string, ...string[]]): Promise<unknown> =>
    new MockActivityEnvironment().run(() =>
      new DataCalls(deps()).runDataHook(INPUT, { recoveryPointId: 'rp_1', dataSet: dataSet({ before: argv }) } as DataBackupItem, 'before'),
    );

  it('that fails is told with its words', async () => {
    await expect(hook(['sh', '-c', 'echo the service is busy >&2; exit 3'])).rejects.toMatchObject({
      code: 'DATA_HOOK_FAILED',
      message: expect.stringContaining('exit code 3: the service is busy') as string,
    });
  });

  it('that does not end in its time is ended, and not begun again', async () => {
    const timeout = jest.spyOn(AbortSignal, 'timeout').mockImplementation(() => {
      const over = new AbortController();
      setTimeout(() => over.abort(new Error('time is over')), 300);
      return over.signal;
    });
    await expect(hook(['sleep', '61.25'])).rejects.toMatchObject({
      code: 'DATA_HOOK_FAILED',
      retry: 'never',
      message: expect.stringContaining('had not ended after 10 minutes and was told to end') as string,
    });
    timeout.mockRestore();
    expect(agent.ran.filter(({ argv }) => boundedProgram(argv)[0] === 'sleep')).toHaveLength(1);
    expect(spawnSync('pgrep', ['-fx', 'sleep 61.25']).status).toBe(1);
  });

  it('is not begun a second time while one that somebody else has begun still runs', async () => {
    const flag = join(root, 'stopping');
    writeFileSync(flag, '');
    const argv = ['sh', '-c', `while [ -e ${flag} ]; do sleep 0.05; done`] as const;
    await agent.start({ argv });
    const times = (program: string): number => agent.ran.filter(({ argv }) => boundedProgram(argv)[0] === program).length;
    const again = hook(argv);
    for (const giveUpAt = Date.now() + 30_000; times('find') < 2 && Date.now() < giveUpAt;) await delay(20);
    expect([times('find') >= 2, times('sh')]).toEqual([true, 1]);
    rmSync(flag);
    await expect(again).resolves.toEqual({ exitCode: 0 });
    expect(times('sh')).toBe(2);
  });

  it('of a guest that falls silent is not begun again; that of a hypervisor that is away may be', async () => {
    const start = agent.start.bind(agent);
    let fault = new ModosuError('AGENT_SILENT', 'no answer');
    jest.spyOn(agent, 'start').mockImplementation((program) => (boundedProgram(program.argv)[0] === 'true' ? Promise.reject(fault) : start(program)));
    await expect(hook(['true'])).rejects.toMatchObject({ code: 'DATA_HOOK_FAILED', retry: 'never' });
    fault = new ModosuError('HYPERVISOR_UNREACHABLE', 'libvirtd is restarted');
    await expect(hook(['true'])).rejects.toMatchObject({ code: 'HYPERVISOR_UNREACHABLE', retry: 'later' });
  });

  it('that comes before is run under the fence only; the one after puts right what that has done in any case', async () => {
    isHeld = false;
    await expect(hook(['true'])).rejects.toMatchObject({ code: 'FENCED_OFF' });
    expect(agent.ran).toEqual([]);
    const after = { recoveryPointId: 'rp_1', dataSet: dataSet({ after: ['true'] }) } as DataBackupItem;
    await expect(new MockActivityEnvironment().run(() => new DataCalls(deps()).runDataHook(INPUT, after, 'after'))).resolves.toEqual({ exitCode: 0 });
  });

  it('that prints 30 MB is not heard beyond its part, and ends well', async () => {
    await hook(['sh', '-c', 'head -c 30000000 /dev/zero']);
    expect(agent.ran.at(-1)?.argv).toEqual(boundedOutput(['sh', '-c', 'head -c 30000000 /dev/zero'], 64 * 1024 + 1, 'drop'));
  });

  it('that ends well is not begun again', async () => {
    await expect(hook(['true'])).resolves.toEqual({ exitCode: 0 });
    expect(agent.ran.filter(({ argv }) => boundedProgram(argv)[0] === 'true')).toHaveLength(1);
  });
});

asRoot('what a restore that has failed while it fetched leaves in the guest', () => {
  it('is removed, as often as it is asked for', async () => {
    const staging = join(site, `.modosu-restore-${INPUT.runId}`);
    mkdirSync(join(staging, 'new'), { recursive: true, mode: 0o700 });
    const item = itemOf({ [join(site, 'a')]: 'then' });
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await expect(new MockActivityEnvironment().run(() => new DataCalls(deps()).takeDataBack(INPUT, item as DataRestoreItem))).resolves.toEqual({});
      expect(existsSync(staging)).toBe(false);
    }
  });
});

describe('a data recovery point', () => {
  const REFERENCE = { account: 'root', store: 'vault', path: 'servers/db01', version: '7', createdAt: null, problem: null };

  it.each([
    ['remembers the credentials that it is given', [REFERENCE], { version: 2, credentials: [REFERENCE] }],
    ['is one that earlier versions read where none was declared', undefined, { version: 1 }],
  ])('%s', async (_what, credentials, written) => {
    const recoveryPointId = newId('rp');
    const item = { recoveryPointId, dataSet: dataSet() };
    const snapshotId = repository.take(SERVER, {
      hostname: 'x',
      tags: [DATA_TAG, recoveryPointTag(recoveryPointId), dataSetTag('uploads')],
      paths: [site],
      files: { [join(site, 'a')]: Buffer.from('now') },
    });
    const saved = {
      snapshotId,
      pointInTime: '2026-03-02T11:00:00.000Z',
      content: { kind: 'files' as const, paths: [site] as const, files: 1, totalBytes: 3, problems: [] },
      totalBytes: 3,
      addedBytes: 3,
      resticVersion: '0.14.0',
    };
    const input = { ...INPUT, runId: newId('run'), uuid: '6f1c2f5e-4a3b-4c1d-8e9f-0a1b2c3d4e5f', reason: 'daily' };
    const recorded: unknown[] = [];
    const catalog = { recordDataRecoveryPoint: async (manifest: unknown) => void recorded.push(manifest) };
    const calls = new DataCalls({ ...deps(), version: 'test', catalog } as unknown as ActivityDependencies);
    await new MockActivityEnvironment().run(() => calls.publishData(input, item, saved, 'backup', credentials));
    const manifest = await repository.open(SERVER, recoveryPointId);
    expect(manifest).toMatchObject({ snapshotId, ...written });
    expect(Object.hasOwn(manifest, 'credentials')).toBe(credentials !== undefined);
    expect(recorded).toEqual([manifest]);
  });
});

describe('a server that another run holds by now', () => {
  const FACTS = {
    format: 'modosu-postgresql-facts',
    version: 1,
    engineVersion: '15.18',
    engineMajor: 15,
    takenAt: '2026-03-02T11:00:00.000Z',
    roles: [],
    databases: [],
  };
  const FENCED_OFF = { code: 'FENCED_OFF' };
  const run = (call: (transfers: DataTransfers, calls: DataCalls) => Promise<unknown>): Promise<unknown> =>
    new MockActivityEnvironment().run(() => call(new DataTransfers(deps()), new DataCalls(deps())));
  const shop = (whole: boolean): DataRestoreItem =>
    ({
      dataSet: {
        kind: 'postgresql',
        name: 'shop',
        databases: ['shop'],
        user: 'postgres',
        osUser: 'postgres',
        socketDirectory: null,
        port: 5432,
        spoolDirectory: join(root, 'spool'),
        before: null,
        after: null,
      },
      recoveryPointId: 'rp_2',
      snapshotId: repository.take(SERVER, {
        hostname: 'x',
        tags: [],
        paths: ['/spool/run'],
        files: { '/spool/run/facts.json': Buffer.from(JSON.stringify(FACTS)), '/spool/run/1.dump': Buffer.from('dump') },
      }),
      content: {
        kind: 'postgresql',
        engineVersion: '15.18',
        engineMajor: 15,
        directory: '/spool/run',
        factsFile: 'facts.json',
        globalsFile: 'globals.sql',
        databases: [{ name: 'shop', file: '1.dump', sizeBytes: 4, tables: 0, rows: 0 }],
      },
      selection: { kind: 'postgresql', database: 'shop', tables: whole ? [] : [{ schema: 'public', name: 'orders' }], schemas: [], whole, replace: true },
    }) as unknown as DataRestoreItem;
  const kept = (): KeptDataRecord =>
    ({
      runId: 'run-0000',
      undone: false,
      dataSet: dataSet(),
      recoveryPointId: 'rp_1',
      kept: { kind: 'files', directories: [join(site, '.modosu-restore-run-0000')], added: 1, replaced: 1, keptBytes: 3 },
    }) as unknown as KeptDataRecord;
  const input = { ...INPUT, runId: newId('run') };
  const placed = { bytes: 0, digest: null };

  it.each<[string, (transfers: DataTransfers, calls: DataCalls) => Promise<unknown>]>([
    ['fetched into', (transfers) => transfers.fetchData(input, shop(true), 'fetch', null)],
    ['loaded into', (transfers) => transfers.loadData(input, shop(true), 'load', 'running')],
    ['exchanged in', (transfers) => transfers.placeData(input, shop(true), placed, 'place', null)],
    ['brought back into', (transfers) => transfers.placeData(input, shop(false), placed, 'place', null)],
    ['undone in', (transfers) => transfers.returnData(input as UndoInput, kept())],
    ['taken back from', (_, calls) => calls.takeDataBack(input, shop(true))],
    ['given up in', (_, calls) => calls.discardKeptData(input, kept())],
  ])('nothing is %s, no program is started there', async (_what, call) => {
    isHeld = false;
    await expect(run(call)).rejects.toMatchObject(FENCED_OFF);
    expect(agent.ran).toEqual([]);
  });

  it('is asked about again when its files have been compared, which takes long: none is fetched or moved', async () => {
    const item = itemOf({ [join(site, 'a')]: 'then' });
    const list = repository.list.bind(repository);
    repository.list = async (...args) => {
      isHeld = false;
      return list(...args);
    };
    for (const call of [
      (transfers: DataTransfers) => transfers.fetchData(INPUT, item as DataRestoreItem, 'fetch', null),
      (transfers: DataTransfers) => transfers.placeData(INPUT, item as DataRestoreItem, placed, 'place', null),
    ]) {
      isHeld = true;
      await expect(run(call)).rejects.toMatchObject(FENCED_OFF);
    }
    expect(readFileSync(join(site, 'a'), 'utf8')).toBe('now');
    expect(readdirSync(site)).toEqual(['a', 'b']);
  });
});
