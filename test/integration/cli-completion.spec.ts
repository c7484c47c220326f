import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ModosuError } from '../../src/contracts/errors';
import { givenReadyUndoPlan } from '../contract/catalog.fixtures';
import { ApiHarness, ESTATE } from './api-harness';
import { cli } from './cli-harness';
import { seedData } from './data-harness';

jest.setTimeout(180_000);

const run = promisify(execFile);

describe('completion', () => {
  let api: ApiHarness;
  beforeEach(async () => {
    api = await ApiHarness.start();
  });
  afterEach(() => api.close());

  const complete = async (...words: readonly string[]): Promise<readonly string[]> => {
    const { code, stdout, stderr } = await cli(api, ['complete', '--', ...words]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout === '' ? [] : stdout.trimEnd().split('\n');
  };
  const values = async (...words: readonly string[]): Promise<readonly string[]> => (await complete(...words)).map((text) => text.split('\t')[0] ?? '');

  it('of commands, with what they do; hidden ones are not there', async () => {
    expect(await complete('res')).toEqual([expect.stringMatching(/^restore\t\w/), expect.stringMatching(/^restore-set\t\w/)]);
    expect(await values('')).toEqual(expect.arrayContaining(['up', 'doctor', 'restore', 'run', 'completion']));
    expect(await values('')).not.toContain('complete');
    expect(await values('restore', '')).toEqual(expect.arrayContaining(['plan', 'show', 'run']));
    expect(await values('restore', '')).not.toContain('list-sets');
    expect(await values('nothing', '')).toEqual([]);
  });

  it('of options, those of the program too, and of their choices, also in the pieces that bash makes', async () => {
    expect(await values('backup', 'image', 'db01', '--m')).toEqual(['--mode']);
    expect(await values('backup', 'image', '--mode', '')).toEqual(['offline', 'online']);
    expect(await values('backup', 'image', '--mode', '=', 'on')).toEqual(['online']);
    expect(await values('backup', 'image', '--mode', '=')).toEqual(['offline', 'online']);
    expect(await values('backup', 'image', '--mode=of')).toEqual(['--mode=offline']);
    expect(await values('run', 'list', '-')).toEqual(expect.arrayContaining(['--server', '--output', '--help']));
    expect(await values('-o', 'json', 'serv')).toEqual(['server']);
    expect(await values('-o', 'ya')).toEqual(['yaml']);
    expect(await values('completion', '')).toEqual(['bash', 'zsh', 'fish']);
    // A name that has to be typed again is not offered.
    expect(await values('restore', 'run', 'plan_x', '--confirm', '')).toEqual([]);
  });

  it('of roles: their commands, their options, and no form of data where there is none', async () => {
    expect(await values('catalog', '')).toEqual(['key', 'copy', 'copies', 'rebuild', 'compare']);
    expect(await values('catalog', 'rebuild', '--')).toEqual(expect.arrayContaining(['--repository', '--offsite', '--key-file', '--without-copy', '--output']));
    expect(await values('data-repository', 'renew', '--')).toEqual(expect.arrayContaining(['--server', '--all', '--reason', '--dry-run']));
    expect(await values('migrate', '-')).toEqual(['--down', '--help']);
  });

  it('of servers, data sets and codes', async () => {
    await seedData(api);
    expect(await complete('server', 'show', '')).toEqual(['db01\tdomain db01', 'web01\tdomain web01']);
    expect(await values('run', 'list', '--server', 'd')).toEqual(['db01']);
    expect(await values('run', 'list', '--server=')).toEqual(['--server=db01', '--server=web01']);
    expect(await values('backup', 'data', 'db01', '--data-set', '')).toEqual(['uploads', 'shop', 'ledgers']);
    expect(await values('backup', 'data', 'nobody', '--data-set', '')).toEqual([]);
    expect(await values('explain', 'SERVER_B')).toEqual(['SERVER_BUSY']);
    expect(await values('explain', 'RPO_')).toEqual(['RPO_EXCEEDED']);
    expect(await values('explain', 'NOT_ENOUGH_S')).toEqual(['NOT_ENOUGH_SPACE']);
    expect(await values('server', 'show', 'db01', '')).toEqual([]);
  });

  it('of recovery points, and of runs with which the command can do something', async () => {
    const { server, other: web01, image: point, dump, olderDump, files } = await seedData(api);
    const done = await api.doneRestore(server, point);
    const waiting = await api.waitingRestore(server, point);
    expect(await complete('run', 'show', '')).toEqual([
      expect.stringMatching(new RegExp(`^${waiting}\\trestore-server of db01, running, \\d+ s ago$`)),
      expect.stringContaining(done),
    ]);
    expect(await values('run', 'go-live', '')).toEqual([waiting]);
    expect(await values('run', 'cancel', '')).toEqual([waiting]);
    expect(await values('run', 'confirm', '')).toEqual([done]);
    expect(await values('audit', 'list', '--run', '')).toHaveLength(2);
    expect(await values('restore', 'plan', 'db01', '--scenario', 'server', '--recovery-point', '')).toEqual([point.id]);
    expect(await values('recovery-point', 'show', 'rp_')).toEqual(expect.arrayContaining([point.id, dump.id]));
    expect(await values('restore', 'plan', 'db01', '--scenario', 'data', '--recovery-point', '')).toEqual([dump.id, files.id, olderDump.id]);
    expect(await values('restore', 'plan', 'web01', '--scenario=server', '--recovery-point', '')).toEqual([]);
    await api.catalog.markRecoveryPoint(point.id, 'damaged', 'a test');
    expect(await values('restore', 'plan', 'db01', '--scenario', '=', 'server', '--recovery-point', '')).toEqual([]);
    // Whatever has run since: what waits, and what is kept, is offered.
    for (let index = 0; index < 40; index += 1) {
      const { runId } = await api.catalog.acceptBackup({
        actor: 'a',
        idempotencyKey: null,
        requestDigest: '',
        serverId: web01.id,
        reason: 'nightly',
        mode: 'offline',
        allowCrashConsistent: false,
      });
      await api.catalog.startRun(runId);
      await api.catalog.finishRun(runId, { state: 'succeeded', error: null });
    }
    expect(await values('run', 'go-live', '')).toEqual([waiting]);
    expect(await values('run', 'confirm', '')).toEqual([done]);
    expect(await values('run', 'undo', '')).toEqual(expect.arrayContaining([waiting]));
    expect(await values('run', 'show', '')).not.toContain(waiting);
  });

  it('of plans with which the command can do something, and of several servers', async () => {
    const { server, image: point, other } = await seedData(api);
    const used = (await api.catalog.getRun(await api.doneRestore(server, point))).planId;
    const ready = await api.readyPlan(server, point);
    const [done] = (await api.catalog.listRuns({ state: 'succeeded' }, { limit: 1, cursor: null })).items;
    const { planId: undo } = await api.catalog.acceptUndoPlan({ actor: 'a', idempotencyKey: null, requestDigest: '', ofRunId: done?.id ?? '' });
    expect(await values('restore', 'show', '')).toEqual(expect.arrayContaining([used, ready, undo]));
    expect(await complete('restore', 'run', '')).toEqual([expect.stringMatching(new RegExp(`^${ready}\\tserver of db01, ready, \\d+ s ago$`))]);
    expect(await values('run', 'undo', done?.id ?? '', '--plan', '')).toEqual([]);
    const { planId: readyUndo } = await givenReadyUndoPlan(api.catalog, server, done?.id ?? '');
    expect(await values('run', 'undo', done?.id ?? '', '--plan', '')).toEqual([readyUndo]);
    expect(await values('restore', 'run', '')).toEqual([ready]);
    expect(await values('restore', 'list', '--state', '')).toEqual(['planning', 'ready', 'failed', 'used']);
    expect(await values('restore', 'plan-set', '')).toEqual(['db01', other.name]);
    expect(await values('restore', 'plan-set', 'db01', 'w')).toEqual([other.name]);
  });

  it('of changes, also of several behind one option, and of generations', async () => {
    const { server } = await seedData(api);
    const changes: string[] = [];
    for (const title of ['a kernel', 'a package']) {
      const request = { actor: 'a', idempotencyKey: null, requestDigest: '', serverId: server.id, ticket: null, author: null, externalId: null };
      changes.push((await api.catalog.openChange({ ...request, title, applyAgain: null })).change.id);
    }
    const [first = '', second = ''] = changes;
    expect(await complete('change', 'show', first)).toEqual([`${first}\tdb01, open: a kernel`]);
    expect([...(await values('change', 'complete', ''))].sort()).toEqual([...changes].sort());
    await api.catalog.cancelChange({ actor: 'a', id: first, reason: 'not needed' });
    expect(await values('change', 'cancel', '')).toEqual([second]);
    expect(await values('run', 'sign-off', '--not-applied', first, second)).toEqual([second]);
    expect(await values('run', 'sign-off', 'run_x', '--not-applied', first, '--rea')).toEqual(['--reason']);
    const [generation = ''] = await values('generation', 'show', 'db01', '');
    expect(generation).toMatch(/^\d+$/);
    expect(await values('generation', 'diff', 'db01', generation, '')).not.toContain(generation);
    expect(await values('generation', 'show', 'nobody', '')).toEqual([]);
  });

  it("of files is the shell's own", async () => {
    expect(await complete('apply', '-f', '')).toEqual([':files']);
    expect(await complete('apply', '--file', 'est')).toEqual([':files']);
    expect(await complete('catalog', 'rebuild', '--repository', '')).toEqual([':files']);
    expect(await complete('catalog', 'rebuild', '--key-file', '')).toEqual([':files']);
  });

  it('says nothing when the API is away, late, or the token may not read', async () => {
    await api.seed();
    for (const env of [{ MODOSU_API_URL: 'http://127.0.0.1:1' }, { MODOSU_TOKEN: 'mds_wrong' }, { MODOSU_API_URL: 'nonsense' }]) {
      expect(await cli(api, ['complete', '--', 'server', 'show', ''], env)).toEqual({ code: 0, stdout: '', stderr: '' });
    }
    api.catalog.failWith(new ModosuError('CATALOG_UNAVAILABLE', 'away'));
    expect(await complete('server', 'show', '')).toEqual([]);
    api.catalog.failWith(null);
    let answer: () => void = () => undefined;
    const { authenticate } = api.catalog;
    api.catalog.authenticate = (secret) => new Promise((resolve) => (answer = () => resolve(authenticate(secret))));
    expect(await complete('server', 'show', '')).toEqual([]);
    answer();
  });

  it('nothing that an API says gets onto a command line if it could mean more than a name', async () => {
    await api.seed();
    const [known] = await api.catalog.listServers();
    api.catalog.listServers = async () =>
      ['db01', '$(reboot)', 'a b', 'x;y', '`id`', 'tab\tx', 'n\nl', "q'"].map((name) => ({ ...known!, name, domainName: 'evil\u001b[2J\tdomain' }));
    expect(await complete('server', 'show', '')).toEqual(['db01\tdomain evil[2J domain']);
  });

  const environment = (): NodeJS.ProcessEnv => ({
    PATH: process.env['PATH'],
    HOME: api.directory,
    MODOSU_STATE_DIR: api.directory,
    MODOSU_API_URL: api.url,
    MODOSU_TOKEN: api.tokens.read,
  });
  const program = join(__dirname, '../../bin/modosu');
  const isInstalled = (shell: string): boolean => spawnSync(shell, ['-c', 'exit 0']).status === 0;

  (isInstalled('zsh') ? it : it.skip)('in zsh: the script is read, and offers what it was told with its description', async () => {
    await api.applyEstate({ ...ESTATE, servers: [] });
    await api.seed();
    // The completion system itself needs a terminal: what the script hands to it is looked at.
    const script = `modosu() { "${process.execPath}" "${program}" "$@"; }
compdef() { :; }
_describe() { print -rl -- "\${(@P)2}"; }
_files() { print -r -- files; }
eval "$(modosu completion zsh)"
words=(modosu "$@"); CURRENT=$#words
_modosu`;
    const inZsh = async (...words: readonly string[]): Promise<string> => {
      const { stdout, stderr } = await run('zsh', ['-f', '-c', script, 'zsh', ...words], { env: environment() });
      expect(stderr).toBe('');
      return stdout;
    };
    expect(await inZsh('server', 'show', '')).toBe('db01:domain db01\n');
    expect(await inZsh('apply', '-f', '')).toBe('files\n');
  });

  (isInstalled('fish') ? it : it.skip)('in fish: the script is read, and completes commands, choices and names', async () => {
    await api.applyEstate({ ...ESTATE, servers: [] });
    await api.seed();
    const inFish = async (line: string): Promise<readonly string[]> => {
      const script = `function modosu; "${process.execPath}" "${program}" $argv; end
modosu completion fish | source
complete --do-complete '${line}'`;
      const { stdout, stderr } = await run('fish', ['--no-config', '-c', script], { env: environment() });
      expect(stderr).toBe('');
      return stdout.split('\n').filter((text) => text !== '');
    };
    expect(await inFish('modosu way')).toEqual([expect.stringMatching(/^way-back\t/)]);
    expect(await inFish('modosu server show ')).toEqual(['db01\tdomain db01']);
  });

  describe('in bash', () => {
    const inBash = async (...words: readonly string[]): Promise<readonly string[]> => {
      const script = `modosu() { "${process.execPath}" "${program}" "$@"; }
eval "$(modosu completion bash)"
COMP_WORDS=(modosu "$@"); COMP_CWORD=$#
_modosu
printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout, stderr } = await run('bash', ['--norc', '-c', script, 'bash', ...words], {
        env: environment(),
      });
      expect(stderr).toBe('');
      return stdout.split('\n').filter((text) => text !== '');
    };

    it('completes commands, choices and names', async () => {
      await api.applyEstate({ ...ESTATE, servers: [] });
      await api.seed();
      expect(await inBash('way')).toEqual(['way-back']);
      expect(await inBash('backup', 'image', '--mode', '=', '')).toEqual(['offline', 'online']);
      expect(await inBash('server', 'show', '')).toEqual(['db01']);
    });
  });
});
