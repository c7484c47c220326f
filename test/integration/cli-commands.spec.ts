import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { ServerRecord } from '../../src/catalog/catalog';
import { ModosuError } from '../../src/contracts/errors';
import { newId } from '../../src/contracts/ids';
import type { ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import { ApiHarness, manifestOf } from './api-harness';
import { cli, CliRun } from './cli-harness';

const ESTATE_FILE = `hypervisors:
  - name: local
    kind: libvirt
repositories:
  - name: main
    kind: directory
    path: /srv/modosu
servers:
  - name: db01
    hypervisor: local
    repository: main
`;

describe('modosu, the CLI', () => {
  let api: ApiHarness;

  beforeEach(async () => {
    api = await ApiHarness.start();
  });

  afterEach(async () => api.close());

  async function estateFile(text: string): Promise<string> {
    const path = join(api.directory, 'estate.yaml');
    await writeFile(path, text);
    return path;
  }

  describe('the connection', () => {
    it('an API that does not answer: exit code 10', async () => {
      const { code, stdout, stderr } = await cli(api, ['server', 'list'], { MODOSU_API_URL: 'http://127.0.0.1:1' });
      expect(code).toBe(10);
      expect(stdout).toBe('');
      expect(stderr).toMatch(/^error: API_UNREACHABLE: .*http:\/\/127\.0\.0\.1:1 .*\nhint: {2}Start Modosu with `modosu up`/);
    });

    it('something else that answers: exit code 10', async () => {
      const other: Server = createServer((_request, response) => response.writeHead(502).end('<html>bad gateway</html>'));
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
      const { port } = other.address() as AddressInfo;
      const { code, stderr } = await cli(api, ['server', 'list'], { MODOSU_API_URL: `http://127.0.0.1:${port}` });
      other.close();
      expect(code).toBe(10);
      expect(stderr).toMatch(/status 502/);
    });

    it('follows no redirect with its token', async () => {
      const seen: string[] = [];
      const other: Server = createServer((request, response) => {
        seen.push(request.url ?? '');
        response.writeHead(302, { Location: `${api.url}/v1/servers` }).end();
      });
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
      const { port } = other.address() as AddressInfo;
      const { code } = await cli(api, ['server', 'list'], { MODOSU_API_URL: `http://127.0.0.1:${port}` });
      other.close();
      expect(code).toBe(10);
      expect(seen).toEqual(['/v1/servers?limit=200']);
    });

    it('no token, a wrong token, too small a token: exit code 4', async () => {
      expect(await cli(api, ['server', 'list'], { MODOSU_TOKEN: undefined })).toMatchObject({
        code: 4,
        stderr: expect.stringMatching(/TOKEN_MISSING/) as string,
      });
      expect(await cli(api, ['server', 'list'], { MODOSU_TOKEN: 'wrong' })).toMatchObject({
        code: 4,
        stderr: expect.stringMatching(/TOKEN_INVALID/) as string,
      });
      await api.seed();
      const refused = await cli(api, ['backup', 'image', 'db01', '--mode', 'offline', '--reason', 'x'], { MODOSU_TOKEN: api.tokens.read });
      expect(refused).toMatchObject({ code: 4, stdout: '', stderr: expect.stringMatching(/NOT_ALLOWED/) as string });
    });

    it('takes the token from a file, and warns when others may read it', async () => {
      const path = join(api.directory, 'token');
      await writeFile(path, `${api.tokens.read}\n`, { mode: 0o600 });
      const env = { MODOSU_TOKEN: undefined, MODOSU_TOKEN_FILE: path };
      expect(await cli(api, ['run', 'list'], env)).toMatchObject({ code: 0, stderr: '' });
      await chmod(path, 0o644);
      expect(await cli(api, ['run', 'list'], env)).toMatchObject({ code: 0, stderr: expect.stringMatching(/chmod 600/) as string });
      expect((await cli(api, ['run', 'list'], { ...env, MODOSU_TOKEN_FILE: '/nonexistent' })).code).toBe(2);
    });

    it('finds a running stack by its endpoints file, and keeps that token from other addresses', async () => {
      const tokenFile = join(api.directory, 'token');
      await writeFile(tokenFile, api.tokens.read, { mode: 0o600 });
      await mkdir(join(api.directory, 'run'));
      await writeFile(join(api.directory, 'run/endpoints.json'), JSON.stringify({ apiUrl: api.url, tokenFile, consoleUrl: 'later' }));
      expect(await new CliRun(['run', 'list'], { MODOSU_STATE_DIR: api.directory }).end()).toMatchObject({ code: 0, stderr: '' });
      const tokens: unknown[] = [];
      const other: Server = createServer((request, response) => {
        tokens.push(request.headers.authorization);
        response.writeHead(404).end('{}');
      });
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
      const { port } = other.address() as AddressInfo;
      await new CliRun(['run', 'list'], { MODOSU_STATE_DIR: api.directory, MODOSU_API_URL: `http://127.0.0.1:${port}` }).end();
      other.close();
      expect(tokens).toEqual([undefined]);
    });

    it('keeps the token to itself when the stack of the endpoints file is gone, and says so', async () => {
      const tokenFile = join(api.directory, 'token');
      await writeFile(tokenFile, api.tokens.read, { mode: 0o600 });
      await mkdir(join(api.directory, 'run'));
      const write = (supervisorPid: number) =>
        writeFile(join(api.directory, 'run/endpoints.json'), JSON.stringify({ apiUrl: api.url, tokenFile, supervisorPid }));
      await write(process.pid);
      expect(await new CliRun(['run', 'list'], { MODOSU_STATE_DIR: api.directory }).end()).toMatchObject({ code: 0, stderr: '' });
      await write(2 ** 31 - 2); // above the kernel's highest process id
      const run = await new CliRun(['run', 'list'], { MODOSU_STATE_DIR: api.directory }).end();
      expect(run.code).toBe(4);
      expect(run.stderr).toMatch(/is gone \(process 2147483646\); start it again[\s\S]*TOKEN_MISSING/);
    });

    it('a broken endpoints file is said and ignored; a wrong address is refused', async () => {
      await mkdir(join(api.directory, 'run'));
      await writeFile(join(api.directory, 'run/endpoints.json'), '{"apiUrl": "ftp://x"}');
      expect((await cli(api, ['run', 'list'])).stderr).toMatch(/^warning: .*endpoints\.json/);
      for (const address of ['ftp://x', 'nonsense', 'http://user:pass@host/']) {
        expect((await cli(api, ['run', 'list'], { MODOSU_API_URL: address })).code).toBe(2);
      }
    });

    it('shows PostgreSQL being away as a failure with its hint', async () => {
      api.catalog.failWith(new ModosuError('CATALOG_UNAVAILABLE', 'PostgreSQL does not answer.'));
      expect(await cli(api, ['run', 'list'])).toEqual({
        code: 1,
        stdout: '',
        stderr: 'error: CATALOG_UNAVAILABLE: PostgreSQL does not answer.\nhint:  Start PostgreSQL or correct MODOSU_DATABASE_URL; `modosu doctor` checks it.\n',
      });
    });
  });

  describe('apply', () => {
    beforeEach(async () => api.createServer());

    it('shows the difference first, then applies it', async () => {
      const path = await estateFile(ESTATE_FILE);
      const dry = await cli(api, ['apply', '-f', path, '--dry-run']);
      expect(dry).toMatchObject({ code: 0, stderr: 'Dry run: nothing was changed.\n' });
      expect(dry.stdout).toMatch(/^create {2}hypervisor local$/m);
      expect(dry.stdout).toMatch(/^create {2}server {5}db01$/m);
      expect(await api.catalog.listServers()).toEqual([]);
      expect(await cli(api, ['apply', '-f', path])).toEqual({ code: 0, stdout: dry.stdout, stderr: 'Applied.\n' });
      expect(await api.catalog.listServers()).toHaveLength(1);
      expect(await cli(api, ['apply', '-f', path])).toEqual({ code: 0, stdout: '3 unchanged\n', stderr: 'Nothing to change.\n' });
    });

    it('gives machines one document', async () => {
      const path = await estateFile(ESTATE_FILE);
      const { stdout } = await cli(api, ['apply', '-f', path, '--output', 'json']);
      expect(JSON.parse(stdout)).toMatchObject({ applied: true, changes: [{ subject: 'hypervisor', change: 'create' }, {}, {}] });
    });

    it('names line and column of every error, and asks nobody', async () => {
      const path = await estateFile(ESTATE_FILE.replace('kind: libvirt', 'kind: xen').replace('hypervisor: local', 'hypervisr: local'));
      const { code, stdout, stderr } = await cli(api, ['apply', '-f', path], { MODOSU_API_URL: 'http://127.0.0.1:1' });
      expect(code).toBe(2);
      expect(stdout).toBe('');
      expect(stderr).toMatch(/^error: ESTATE_INVALID: .*estate\.yaml has \d errors\.$/m);
      expect(stderr).toMatch(/estate\.yaml:3:11: hypervisors\[0\]\.kind: /);
      expect(stderr).toMatch(/estate\.yaml:10:5: servers\[0\]\.hypervisr: this field is not known/);
    });

    it('says what is wrong with a file that is not there', async () => {
      expect(await cli(api, ['apply', '-f', '/nonexistent/estate.yaml'])).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/cannot be read: ENOENT/) as string,
      });
    });

    it('names a domain the hypervisor does not know: exit code 3', async () => {
      const path = await estateFile(ESTATE_FILE.replace('name: db01', 'name: web01'));
      expect(await cli(api, ['apply', '-f', path])).toMatchObject({
        code: 3,
        stdout: '',
        stderr: expect.stringMatching(/DOMAIN_NOT_FOUND: .*web01 on local/) as string,
      });
    });
  });

  describe('with a protected server', () => {
    let server: ServerRecord;
    let point: ImageRecoveryPointView;

    beforeEach(async () => {
      ({ server, point } = await api.seed());
    });

    it('lists and shows servers', async () => {
      expect((await cli(api, ['server', 'list'])).stdout).toMatch(
        new RegExp(`^NAME +STATE +ID +HYPERVISOR.*\ndb01 +in service +${server.id} +local +db01 +main +- +${server.uuid}\n$`),
      );
      const { code, stdout } = await cli(api, ['server', 'show', 'db01']);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^ {2}power +running$/m);
      expect(stdout).toMatch(/newest image +rp_\w+, generation 1, (1 h|59 min|60 min)/);
      expect(stdout).toMatch(/An image of it can be taken\./);
      expect(stdout).toMatch(/^ {2}vda +system +qcow2 /m);
    });

    it('shows a server whose hypervisor is away', async () => {
      api.hypervisor.failNext('inspect', 'HYPERVISOR_UNREACHABLE');
      const { code, stdout } = await cli(api, ['server', 'show', 'db01']);
      expect(code).toBe(0);
      expect(stdout).toMatch(/could not say how the server is now\nerror: HYPERVISOR_UNREACHABLE/);
    });

    it('gives JSON and YAML of the same content', async () => {
      const json = JSON.parse((await cli(api, ['server', 'show', 'db01', '-o', 'json'])).stdout) as unknown;
      expect(json).toMatchObject({ id: server.id, newestRecoveryPoint: { id: point.id } });
      const yaml = parse((await cli(api, ['--output', 'yaml', 'server', 'list'])).stdout) as unknown;
      expect(yaml).toMatchObject([{ id: server.id }]);
    });

    it('lists and shows recovery points, and gets all pages', async () => {
      for (let generation = 2; generation <= 4; generation += 1) await api.catalog.recordRecoveryPoint(manifestOf(server, generation), 'main');
      const limited = await cli(api, ['recovery-point', 'list', '--server', 'db01', '--limit', '3']);
      expect(limited.stdout.trimEnd().split('\n')).toHaveLength(4);
      expect(limited.stderr).toMatch(/There are more/);
      const shown = await cli(api, ['recovery-point', 'show', point.id]);
      expect(shown).toMatchObject({ code: 0, stderr: '' });
      expect(shown.stdout).toMatch(/disks +vda: 442 MiB, 165 MiB stored/);
    });

    it('unknown things: exit code 3', async () => {
      const plan = ['--reason', 'x', '--confirm', 'db01'];
      for (const [argv, code] of [
        [['server', 'show', 'db02'], 'SERVER_NOT_FOUND'],
        [['recovery-point', 'list', '--server', 'db02'], 'SERVER_NOT_FOUND'],
        [['recovery-point', 'show', newId('rp')], 'RECOVERY_POINT_NOT_FOUND'],
        [['recovery-point', 'show', '..'], 'RECOVERY_POINT_NOT_FOUND'],
        [['restore', 'plan', 'db01', '--scenario', 'server', '--recovery-point', newId('rp')], 'RECOVERY_POINT_NOT_FOUND'],
        [['restore', 'run', newId('plan'), ...plan], 'PLAN_NOT_FOUND'],
        [['restore', 'run', '../runs', ...plan], 'PLAN_NOT_FOUND'],
        [['run', 'show', newId('run')], 'RUN_NOT_FOUND'],
        [['run', 'watch', newId('run')], 'RUN_NOT_FOUND'],
        [['run', 'cancel', 'x/y'], 'RUN_NOT_FOUND'],
        [['run', 'go-live', newId('run'), '--reason', 'x'], 'RUN_NOT_FOUND'],
        [['run', 'undo', '../x'], 'RUN_NOT_FOUND'],
        [['run', 'confirm', 'x', '--reason', 'x'], 'RUN_NOT_FOUND'],
        [['restore', 'show', newId('plan')], 'PLAN_NOT_FOUND'],
        [['audit', 'list', '--run', newId('run')], 'RUN_NOT_FOUND'],
      ] as const) {
        expect(await cli(api, argv)).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining(`error: ${code}: `) as string });
      }
    });

    it.each(['..', '.', 'a b', "a'b", 'a"b', 'a\nb', 'a/b', '../../etc', '$(id)'])('the name %j is refused: exit code 2', async (name) => {
      for (const argv of [
        ['server', 'show', name],
        ['backup', 'image', name, '--mode', 'offline', '--reason', 'x'],
        ['restore', 'plan', name, '--scenario', 'server'],
        ['run', 'list', '--server', name],
        ['way-back', 'list', '--server', name],
      ]) {
        expect(await cli(api, argv)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('error: NAME_INVALID: ') as string });
      }
    });

    it('a name with a leading - is refused, also behind --', async () => {
      expect(await cli(api, ['server', 'show', '--', '-rf'])).toMatchObject({ code: 2, stderr: expect.stringContaining('NAME_INVALID') as string });
    });

    it('a Japanese name is only unknown, and works when it exists', async () => {
      expect(await cli(api, ['server', 'show', 'データ01'])).toMatchObject({ code: 3, stderr: expect.stringContaining('SERVER_NOT_FOUND') as string });
      await api.createServer('db02');
      const path = await estateFile(`${ESTATE_FILE}  - name: データ01\n    domain: db02\n    hypervisor: local\n    repository: main\n`);
      expect((await cli(api, ['apply', '-f', path])).code).toBe(0);
      expect((await cli(api, ['server', 'show', 'データ01'])).stdout).toMatch(/^Server データ01\n/);
    });

    it('lists runs and shows the audit, verified', async () => {
      const { runId } = await api.catalog.acceptBackup({
        actor: 'me\u001b[2J',
        idempotencyKey: null,
        requestDigest: '',
        serverId: server.id,
        reason: 'why\u0007',
        mode: 'offline',
        allowCrashConsistent: false,
      });
      const runs = await cli(api, ['run', 'list']);
      expect(runs.stdout).toContain(runId);
      expect((await cli(api, ['run', 'list', '--server', 'db01'])).stdout).toBe(runs.stdout);
      const audit = await cli(api, ['audit', 'list', '--run', runId]);
      expect(audit.stdout).toMatch(/run\.requested/);
      expect(`${runs.stdout}${audit.stdout}`).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
      expect(await cli(api, ['audit', 'verify'])).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^intact: \d+ entries, head [0-9a-f]+/) as string,
        stderr: '',
      });
    });

    it('a broken audit: exit code 1, with the first bad entry', async () => {
      api.catalog.verifyAudit = async () => ({ intact: false, entries: 9, firstBadSeq: 4, problem: 'its hash is not that of its content' });
      expect(await cli(api, ['audit', 'verify'])).toMatchObject({
        code: 1,
        stdout: 'BROKEN at entry 4 of 9: its hash is not that of its content\n',
        stderr: expect.stringContaining('AUDIT_CHAIN_BROKEN') as string,
      });
    });
  });
});
