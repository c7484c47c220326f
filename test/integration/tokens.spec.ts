import { ApiHarness } from './api-harness';
import { cli } from './cli-harness';

interface Created {
  readonly token: { readonly id: string; readonly name: string; readonly scopes: readonly string[]; readonly expiresAt: string | null };
  readonly secret: string;
}

const IN_2099 = '2099-01-01T00:00:00.000Z';

describe('tokens', () => {
  let api: ApiHarness;
  beforeEach(async () => {
    api = await ApiHarness.start();
  });
  afterEach(() => api.close());

  const create = async (body: object = {}): Promise<Created> => {
    const {
      status,
      headers,
      body: created,
    } = await api.call('POST', '/v1/tokens', { body: { name: 'prometheus', scopes: ['read'], expiresAt: IN_2099, ...body } });
    expect([status, headers.get('cache-control')]).toEqual([201, 'no-store']);
    return created as unknown as Created;
  };
  const statusWith = async (token: string): Promise<number> => (await api.call('GET', '/v1/runs', { token })).status;

  describe('over the API', () => {
    it('are made with a scope and an end, told once, listed without their secret', async () => {
      const { token, secret } = await create();
      expect(token).toMatchObject({ name: 'prometheus', scopes: ['read'], expiresAt: IN_2099 });
      expect(await statusWith(secret)).toBe(200);
      expect(await api.call('POST', '/v1/servers/db01/backups', { token: secret, body: { kind: 'image', mode: 'offline', reason: 'x' } })).toMatchObject({
        status: 403,
        body: { code: 'NOT_ALLOWED' },
      });
      const listed = await api.call('GET', '/v1/tokens');
      expect(listed.body['items']).toEqual(expect.arrayContaining([token]));
      expect(JSON.stringify([listed.body, api.log, await api.catalog.listAudit({}, { limit: 100, cursor: null })])).not.toContain(secret);
    });

    it('open nothing any more once they are revoked; revoking twice changes nothing', async () => {
      const { token, secret } = await create({ expiresAt: null });
      for (let times = 0; times < 2; times += 1) {
        expect(await api.call('POST', `/v1/tokens/${token.id}/revoke`)).toMatchObject({
          status: 200,
          body: { id: token.id, expiresAt: expect.stringMatching(/^20/) },
        });
      }
      expect(await statusWith(secret)).toBe(401);
      const { items } = await api.catalog.listAudit({}, { limit: 100, cursor: null });
      expect(items.filter(({ action }) => action === 'token.revoked')).toMatchObject([{ actor: 'admin', details: { tokenId: token.id, name: 'prometheus' } }]);
    });

    it('the one that asks cannot revoke itself', async () => {
      const own = (await api.catalog.listTokens()).find(({ name }) => name === 'admin');
      expect(await api.call('POST', `/v1/tokens/${own?.id ?? ''}/revoke`)).toMatchObject({ status: 409, body: { code: 'TOKEN_IS_YOURS' } });
      expect(await statusWith(api.tokens.admin)).toBe(200);
    });

    it.each([
      ['without a name', { name: '' }],
      ['with a name of two lines', { name: 'a\nb' }],
      ['with a space at the end of its name', { name: 'a ' }],
      ['without a scope', { scopes: [] }],
      ['with a scope that is none', { scopes: ['root'] }],
      ['with an end in the past', { expiresAt: '2020-01-01T00:00:00Z' }],
      ['with an end that is no time', { expiresAt: 'soon' }],
      ['without saying when it ends', { expiresAt: undefined }],
      ['with something unknown', { secret: 'mine' }],
    ])('%s: 422, and none is made', async (_, wrong) => {
      const before = await api.catalog.listTokens();
      expect(await api.call('POST', '/v1/tokens', { body: { name: 'x', scopes: ['read'], expiresAt: null, ...wrong } })).toMatchObject({
        status: 422,
        body: { code: 'REQUEST_INVALID' },
      });
      expect(await api.catalog.listTokens()).toEqual(before);
    });

    it('an unknown one cannot be revoked', async () => {
      for (const id of ['tok_nothing', 'run_00000000000000000000000000', '..']) {
        expect((await api.call('POST', `/v1/tokens/${encodeURIComponent(id)}/revoke`)).status).toBe(404);
      }
    });
  });

  describe('on the command line', () => {
    it('create shows the secret once; list shows what is over; revoke ends it', async () => {
      const made = await cli(api, ['token', 'create', 'alice', '--scope', 'operate', '--expires-in', '90d']);
      expect(made).toMatchObject({ code: 0, stderr: '' });
      const secret = /^ {2}(modosu_\S+)$/m.exec(made.stdout)?.[1] ?? '';
      expect(await statusWith(secret)).toBe(200);
      const [alice] = await api.catalog.listTokens();
      expect(Math.round((Date.parse(alice?.expiresAt ?? '') - Date.now()) / 86_400_000)).toBe(90);
      expect((await cli(api, ['token', 'revoke', alice?.id ?? ''])).stdout).toMatch(/^expires +\S+ \S+ \(over\)$/m);
      expect((await cli(api, ['token', 'list'])).stdout).toMatch(/^tok_\w+ +alice +operate +\S+ \S+ +\S+ \S+ \(over\)$/m);
      expect(await statusWith(secret)).toBe(401);
    });

    it('never, and the default of a year', async () => {
      const { stdout } = await cli(api, ['token', 'create', 'probe', '--scope', 'read', '--expires-in', 'never', '-o', 'json']);
      expect(JSON.parse(stdout)).toMatchObject({
        token: { name: 'probe', scopes: ['read'], expiresAt: null },
        secret: expect.stringMatching(/^modosu_/) as string,
      });
      for (const scope of ['operate', 'change', 'admin']) {
        expect((await cli(api, ['token', 'create', `of ${scope}`, '--scope', scope])).code).toBe(0);
        const yearly = (await api.catalog.listTokens()).find(({ name }) => name === `of ${scope}`);
        expect(yearly?.scopes).toEqual([scope]);
        expect(Math.round((Date.parse(yearly?.expiresAt ?? '') - Date.now()) / 86_400_000)).toBe(365);
      }
    });

    it('needs an administrator: exit code 4; an unknown token: 3; the own one: 5', async () => {
      expect(await cli(api, ['token', 'create', 'x', '--scope', 'admin'], { MODOSU_TOKEN: api.tokens.operate })).toMatchObject({
        code: 4,
        stderr: expect.stringContaining('NOT_ALLOWED') as string,
      });
      expect(await cli(api, ['token', 'revoke', 'tok_x'])).toMatchObject({ code: 3, stderr: expect.stringContaining('TOKEN_NOT_FOUND') as string });
      const own = (await api.catalog.listTokens()).find(({ name }) => name === 'admin');
      expect(await cli(api, ['token', 'revoke', own?.id ?? ''])).toMatchObject({ code: 5 });
    });
  });
});
