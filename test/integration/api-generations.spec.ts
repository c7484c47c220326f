import type { FactEntry, ServerFacts } from '../../src/contracts/facts';
import type { GenerationDetail, GenerationDiff, GenerationView, ShownGenerationDiff } from '../../src/contracts/generation';
import type { GenerationChanges } from '../../src/contracts/change';
import { generationDiffText } from '../../src/cli/output/generations';
import { serverFacts } from '../support/server-facts';
import { ApiHarness, manifestOf } from './api-harness';
import { cli } from './cli-harness';

const recorded = (title: string, ticket: string | null = null) => ({
  id: `chg_${title
    .replace(/[^0-9a-z]/g, '')
    .padEnd(26, '0')
    .slice(0, 26)}`,
  title,
  ticket,
  completedAt: '2026-03-01T00:00:00.000Z',
});
const holding = (...contained: GenerationChanges['contained']): GenerationChanges => ({ contained, partly: [], more: 0 });
const NGINX = recorded('nginx', 'OPS-12');
const packages = (...entries: readonly FactEntry[]): ServerFacts => serverFacts({ packages: entries, users: [{ key: 'root', value: 'uid=0' }] });

/** What a guest, or whoever writes into the repository, may say: to steer a terminal, forge a line, or turn text around. */
const HOSTILE = '\u001b[2J\u001b]0;owned\u0007a\u009b31mb\rc\u202edb\u2066e\u200f\u2028f\ufeffg';
const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/u;

describe('generations', () => {
  let api: ApiHarness;
  beforeEach(async () => {
    api = await ApiHarness.start();
    await api.createServer();
    await api.applyEstate();
  });
  afterEach(async () => api.close());

  const image = async (generation: number, changes: GenerationChanges | null, facts: ServerFacts | null = null, reason = 'daily'): Promise<void> => {
    const server = await api.catalog.getServer('db01');
    const said = changes === null ? {} : ({ version: 5, changes } as const);
    await api.catalog.recordRecoveryPoint({ ...manifestOf(server, generation), reason, ...said }, 'main', undefined, facts);
  };
  const get = (path: string) => api.call('GET', `/v1/servers/db01/generations${path}`, { token: api.tokens.read });

  /** The repository of these tests has no files. */
  const notRead = (generation: number): string => `The definition of generation ${generation} was not read (RECOVERY_POINT_NOT_FOUND), and not compared.`;

  describe('over the API', () => {
    it('are listed newest first, shown with what the server was, and compared, with a token that may only read', async () => {
      await image(1, holding(), packages({ key: 'nginx', value: '1.22' }));
      await image(2, holding(NGINX), packages({ key: 'nginx', value: '1.24' }, { key: 'curl', value: '8' }));
      const list = await get('?limit=1');
      expect(list).toMatchObject({ status: 200, body: { items: [{ generation: 2, changes: { contained: [NGINX] }, facts: { entries: 3 } }] } });
      const next = await get(`?limit=1&cursor=${String(list.body['nextCursor'])}`);
      expect(next.body).toMatchObject({ items: [{ generation: 1 }], nextCursor: null });
      expect((await get('/2')).body).toMatchObject({
        generation: 2,
        sections: expect.arrayContaining([{ kind: 'files', state: 'collected', entries: [], truncated: false }]) as unknown,
      });
      for (const path of ['/1/diff?with=2', '/2/diff?with=1']) {
        expect((await get(path)).body).toMatchObject({
          before: { generation: 1 },
          after: { generation: 2 },
          changes: { added: [NGINX], removed: [] },
          summary: ['Only the later one contains the change "nginx" (OPS-12).', '1 package changed, 1 added', ...[1, 2].map(notRead)],
        });
      }
      expect((await get('/2/diff?with=2')).body).toMatchObject({ changes: { added: [], removed: [] }, summary: [notRead(2)] });
    });

    it('of which nobody knows the changes, or that have no facts, say so instead of showing no difference', async () => {
      await image(1, null);
      await image(2, holding(NGINX), packages());
      expect((await get('/1')).body).toMatchObject({ changes: null, facts: { state: 'missing' }, sections: null });
      const { body } = await get('/1/diff?with=2');
      expect(body).toMatchObject({ changes: null, facts: null });
      const { summary } = body as unknown as GenerationDiff;
      expect(summary).toHaveLength(4);
      expect(summary).toEqual(expect.arrayContaining([1, 2].map(notRead)));
    });

    it('say which versions of credentials were valid, in JSON and for people, whatever a store has called them', async () => {
      const server = await api.catalog.getServer('db01');
      const root = { account: 'root', store: 'vault', path: 'servers/db01', version: '7', createdAt: '2026-03-01T00:00:00.000Z', problem: null };
      const credentials = [root, { ...root, account: 'backup', version: null, createdAt: null, problem: 'SECRET_STORE_SEALED' }, { ...root, path: HOSTILE }];
      await api.catalog.recordRecoveryPoint({ ...manifestOf(server, 1), version: 5, changes: holding(), credentials }, 'main');
      expect((await get('/1')).body).toMatchObject({ credentials });
      const { code, stdout } = await cli(api, ['generation', 'show', 'db01', '1']);
      expect(code).toBe(0);
      expect(stdout).toMatch(/Credentials that were valid\n.*\n {2}root +vault +servers\/db01 +7 +2026-03-01 00:00:00Z, /);
      expect(stdout).toMatch(/ {2}backup +vault +servers\/db01 +NOT KNOWN, SECRET_STORE_SEALED +-\n/);
      expect(stdout).not.toMatch(UNSAFE);
    });

    it.each<[string, number, string]>([
      ['/1', 404, 'GENERATION_NOT_FOUND'],
      ['/0', 404, 'GENERATION_NOT_FOUND'],
      ['/-1', 404, 'GENERATION_NOT_FOUND'],
      ['/01', 404, 'GENERATION_NOT_FOUND'],
      ['/1e1', 404, 'GENERATION_NOT_FOUND'],
      ['/99999999999999999999', 404, 'GENERATION_NOT_FOUND'],
      ['/%1b%5b31m', 404, 'GENERATION_NOT_FOUND'],
      ['/%00', 404, 'GENERATION_NOT_FOUND'],
      ['/7/diff?with=9', 404, 'GENERATION_NOT_FOUND'],
      ['/7/diff?with=99999999999', 404, 'GENERATION_NOT_FOUND'],
      ['/7/diff', 422, 'REQUEST_INVALID'],
      ['/7/diff?with=', 422, 'REQUEST_INVALID'],
      ['/7/diff?with=0', 422, 'REQUEST_INVALID'],
      ['/7/diff?with=one', 422, 'REQUEST_INVALID'],
      ['/7/diff?with=1.5', 422, 'REQUEST_INVALID'],
      ['/7/diff?with=7&colour=red', 422, 'REQUEST_INVALID'],
      ['?cursor=bm9uZQ', 422, 'REQUEST_INVALID'],
      ['?limit=0', 422, 'REQUEST_INVALID'],
      ['?colour=red', 422, 'REQUEST_INVALID'],
    ])('%s: %d %s', async (path, status, code) => {
      await image(7, holding());
      expect(await get(path)).toMatchObject({ status, body: { code } });
    });

    it('of an unknown server, and without a token, are refused', async () => {
      expect(await api.call('GET', '/v1/servers/none/generations')).toMatchObject({ status: 404, body: { code: 'SERVER_NOT_FOUND' } });
      expect(await api.call('GET', '/v1/servers/none/generations/1/diff?with=2')).toMatchObject({ status: 404, body: { code: 'SERVER_NOT_FOUND' } });
      for (const path of ['', '/1', '/1/diff?with=2']) {
        expect(await api.call('GET', `/v1/servers/db01/generations${path}`, { token: null })).toMatchObject({ status: 401 });
      }
    });
  });

  describe('modosu generation', () => {
    it('says what to do where there is none yet', async () => {
      const { code, stderr } = await cli(api, ['generation', 'list', 'db01']);
      expect([code, stderr]).toEqual([0, expect.stringContaining('No generation: there is no image of server "db01", none yet or none any more.')]);
      // It may have had images, be decommissioned, or have no policy: then the first change that is complete is imaged.
      expect(stderr).toContain('As long as it is in service, one is taken');
      expect(stderr).toContain('where no policy images it offline, also when a change is complete');
      expect(stderr).toContain('`modosu backup image db01 --mode online --reason baseline`');
    });

    it('lists them: what each contains, how complete its facts are, and of which line it is', async () => {
      await image(1, null);
      await image(2, { contained: [NGINX], partly: [recorded('kernel')], more: 4 }, null);
      const error = { code: 'GUEST_PROGRAM_MISSING', message: 'no ss', hint: 'x' } as const;
      await image(
        3,
        holding(NGINX, recorded('ldap')),
        serverFacts({ users: [{ key: 'root', value: '0' }] }, { sections: { ports: { kind: 'ports', state: 'failed', error } } }),
      );
      const { code, stdout } = await cli(api, ['generation', 'list', 'db01']);
      expect(code).toBe(0);
      expect(stdout.split('\n').map((line) => line.replace(/ {2,}/g, ' | ').replace(/rp_\w+ | \d{4}-\S+ \S+ /g, ''))).toEqual([
        expect.stringMatching(/^GENERATION \| RECOVERY POINT/) as string,
        expect.stringMatching(/^3 .*usable.*present \| 2 \| ldap \| 1, 1 kinds INCOMPLETE \| daily$/) as string,
        expect.stringMatching(/^2 .*usable.*present \| 5, 1 partly \| nginx \| none \| daily$/) as string,
        expect.stringMatching(/^1 .*usable.*present \| unknown \| - \| none \| daily$/) as string,
        '',
      ]);
      const json = JSON.parse((await cli(api, ['generation', 'list', 'db01', '-o', 'json'])).stdout) as readonly GenerationView[];
      expect(json.map(({ generation }) => generation)).toEqual([3, 2, 1]);
      expect(JSON.parse((await cli(api, ['generation', 'list', 'db01', '--limit', '1', '-o', 'json'])).stdout)).toHaveLength(1);
    });

    it('shows one: its changes, every kind of facts, and what could not be collected', async () => {
      const error = { code: 'GUEST_COMMAND_FORBIDDEN', message: 'the agent may not run ss', hint: 'x' } as const;
      const facts = serverFacts(
        { packages: [{ key: 'nginx:amd64', value: '1.22' }] },
        {
          sections: {
            ports: { kind: 'ports', state: 'failed', error },
            files: { kind: 'files', state: 'collected', entries: [{ key: '/etc/a', value: 'x' }], truncated: true },
          },
        },
      );
      await image(4, { contained: [NGINX], partly: [recorded('kernel')], more: 2 }, facts);
      const { code, stdout } = await cli(api, ['generation', 'show', 'db01', '4']);
      expect(code).toBe(0);
      expect(stdout).toContain('Generation 4 of db01\n');
      expect(stdout).toContain(`Changes:\n  nginx (OPS-12), complete 2026-03-01 00:00:00Z  ${NGINX.id}\n  and 2 older ones\n  PARTLY: kernel, `);
      expect(stdout).toContain('packages (1)\n  nginx:amd64  1.22\n');
      expect(stdout).toContain('ports: NOT COLLECTED (GUEST_COMMAND_FORBIDDEN: the agent may not run ss)');
      expect(stdout).toContain('files (1, and MORE)\n  /etc/a  x\n');
      const json = JSON.parse((await cli(api, ['generation', 'show', 'db01', '4', '-o', 'json'])).stdout) as GenerationDetail;
      expect(json.sections).toEqual(facts.sections);
      await image(5, null);
      const old = (await cli(api, ['generation', 'show', 'db01', '5'])).stdout;
      expect(old).toContain('Changes: not known');
      expect(old).toMatch(/facts +none: the image was taken by an earlier version/);
    });

    it('compares two: what differs, what nobody has registered, and what could not be compared', async () => {
      await image(1, holding(), packages({ key: 'nginx', value: '1.22' }, { key: 'gone', value: '1' }));
      await image(2, holding(), packages({ key: 'nginx', value: '1.24' }, { key: 'new', value: '1' }));
      const { code, stdout } = await cli(api, ['generation', 'diff', 'db01', '2', '1']);
      expect(code).toBe(0);
      expect(stdout).toMatch(
        /^Generation 1 \(.*\) and 2 \(.*\) of db01\n {2}1 package changed, 1 added, 1 removed, no change registered\n(?: {2}The definition of generation [12] was not read [^\n]+\n){2}\npackages\n/,
      );
      expect(stdout).toMatch(/packages\n {2}- gone {2}1\n {2}\+ new {2}1\n {2}~ nginx {2}1\.22 -> 1\.24\n\nDefinition: NOT COMPARED: [^\n]+\n$/);
      const json = JSON.parse((await cli(api, ['generation', 'diff', 'db01', '1', '2', '-o', 'json'])).stdout) as ShownGenerationDiff;
      expect(json.facts?.sections.find(({ kind }) => kind === 'packages')).toMatchObject({ state: 'compared', changed: [{ key: 'nginx' }] });
      const withItself = (await cli(api, ['generation', 'diff', 'db01', '1', '1'])).stdout;
      expect(withItself).toMatch(/The definition of generation 1 was not read \([A-Z_]+\), and not compared\./);
      expect(withItself).not.toContain('no difference');
      expect(generationDiffText({ ...json, summary: [] })).toContain('no difference that is known of');
      const error = { code: 'AGENT_SILENT', message: 'x', hint: 'x' } as const;
      await image(3, holding(), serverFacts({}, { sections: { users: { kind: 'users', state: 'failed', error } } }));
      const incomplete = (await cli(api, ['generation', 'diff', 'db01', '2', '3'])).stdout;
      expect(incomplete).toContain('users: NOT COMPARED AS A WHOLE: not collected (after, AGENT_SILENT)');
    });

    it.each<[string, readonly string[], number, string]>([
      ['an unknown server', ['list', 'none'], 3, 'SERVER_NOT_FOUND'],
      ['an unknown server to show from', ['show', 'none', '1'], 3, 'SERVER_NOT_FOUND'],
      ['an unknown generation', ['show', 'db01', '2'], 3, 'GENERATION_NOT_FOUND'],
      ['one that is compared with nothing', ['diff', 'db01', '1', '2'], 3, 'GENERATION_NOT_FOUND'],
      ['no number', ['show', 'db01', 'one'], 3, 'GENERATION_NOT_FOUND'],
      ['a number below one', ['diff', 'db01', '1', '0'], 3, 'GENERATION_NOT_FOUND'],
      ['a number that is part of another address', ['show', 'db01', '1/diff?with=1'], 3, 'GENERATION_NOT_FOUND'],
      ['a terminal escape for a number', ['show', 'db01', '\u001b[2J'], 3, 'GENERATION_NOT_FOUND'],
      ['a name that is none', ['list', '../db01'], 2, 'NAME_INVALID'],
      ['one number too few', ['diff', 'db01', '1'], 2, 'missing required argument'],
    ])('refuses %s', async (_what, argv, code, word) => {
      await image(1, holding());
      const result = await cli(api, ['generation', ...argv]);
      expect(result).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(word) as string });
      expect(result.stderr).not.toMatch(UNSAFE);
    });

    it('sends no terminal what a guest says as it says it, in any form', async () => {
      const error = { code: HOSTILE as never, message: HOSTILE, hint: HOSTILE };
      const facts = (value: string): ServerFacts =>
        serverFacts(
          { users: [{ key: HOSTILE, value }], groups: [{ key: `${value}${HOSTILE}`, value: HOSTILE }] },
          { sections: { ports: { kind: 'ports', state: 'failed', error } } },
        );
      await image(1, holding(), facts(`one ${HOSTILE}`));
      await image(2, { contained: [recorded(HOSTILE, HOSTILE)], partly: [recorded(HOSTILE)], more: 0 }, facts(`two ${HOSTILE}`), HOSTILE);
      for (const argv of [
        ['list', 'db01'],
        ['show', 'db01', '2'],
        ['diff', 'db01', '1', '2'],
      ]) {
        for (const format of ['table', 'json', 'yaml']) {
          const { code, stdout, stderr } = await cli(api, ['generation', ...argv, '-o', format]);
          expect([argv[0], format, code, stderr]).toEqual([argv[0], format, 0, '']);
          expect([argv[0], format, UNSAFE.exec(`${stdout}${stderr}`)]).toEqual([argv[0], format, null]);
        }
      }
    });
  });
});
