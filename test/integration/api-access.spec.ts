import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TOKEN_SCOPES, type TokenScope } from '../../src/contracts/api/token';
import { ApiHarness } from './api-harness';

const document = JSON.parse(readFileSync(join(__dirname, '../../docs/openapi.json'), 'utf8')) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly 'x-modosu-scope'?: TokenScope }>>>>;
};

/** Every operation of the document, with a path that names nothing: access is judged before anything else. */
const ROUTES = Object.entries(document.paths).flatMap(([path, operations]) =>
  Object.entries(operations).map(([method, operation]) => ({
    method: method.toUpperCase(),
    path: path.replace(/\{[^}]+\}/g, 'nothing'),
    scope: operation['x-modosu-scope'],
  })),
);
const GUARDED = ROUTES.filter(({ scope }) => scope !== undefined).map(({ method, path, scope }) => [method, path, scope ?? 'admin'] as const);

describe('access to the API', () => {
  let api: ApiHarness;

  beforeAll(async () => {
    api = await ApiHarness.start();
  });

  afterAll(async () => api.close());

  it('knows all routes', () => {
    expect(GUARDED).toHaveLength(71);
  });

  it('/healthz answers without a token', async () => {
    expect(await api.call('GET', '/healthz', { token: null })).toMatchObject({ status: 200, body: { status: 'ok', version: '0.0.0-test' } });
  });

  describe.each(GUARDED)('%s %s', (method, path, scope) => {
    it('refuses a request without a token', async () => {
      const answer = await api.call(method, path, { token: null });
      expect(answer).toMatchObject({ status: 401, body: { code: 'TOKEN_MISSING' } });
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    });

    it('refuses a wrong token', async () => {
      expect(await api.call(method, path, { token: 'mds_wrong' })).toMatchObject({ status: 401, body: { code: 'TOKEN_INVALID' } });
    });

    it('refuses another scheme and a shapeless token', async () => {
      for (const authorization of ['Basic YTpi', 'Bearer', `Bearer ${'x'.repeat(600)}`, 'Bearer a b']) {
        expect(await api.call(method, path, { token: null, headers: { Authorization: authorization } })).toMatchObject({
          status: 401,
          body: { code: 'TOKEN_INVALID' },
        });
      }
    });

    const lower = { read: null, change: 'read', operate: 'change', admin: 'operate' }[scope] as TokenScope | null;
    if (lower !== null) {
      const reads = method === 'GET';
      it(`refuses a token that may only ${lower}${reads ? '' : ', and writes that down'}`, async () => {
        expect(await api.call(method, path, { token: api.tokens[lower], body: reads ? undefined : {} })).toMatchObject({
          status: 403,
          body: { code: 'NOT_ALLOWED', context: { scope } },
        });
        if (reads) return;
        const { items } = await api.catalog.listAudit({}, { limit: 200, cursor: null });
        expect(items.at(-1)).toMatchObject({ actor: lower, action: 'request.refused', details: { method, neededScope: scope } });
      });
    }

    it(`lets a token with the scope ${scope} and above through`, async () => {
      for (const name of TOKEN_SCOPES.slice(TOKEN_SCOPES.indexOf(scope))) {
        const { status } = await api.call(method, path, { token: api.tokens[name], ...(method === 'POST' ? { body: {} } : {}) });
        expect([401, 403]).not.toContain(status);
        expect(status).toBeLessThan(500);
      }
    });
  });

  it('an expired token is refused', async () => {
    const late = await api.catalog.createToken('test', 'short', ['admin'], new Date(Date.now() + 60_000));
    expect((await api.call('GET', '/v1/servers', { token: late.secret })).status).toBe(200);
    api.clockOffsetMs = 61_000;
    expect(await api.call('GET', '/v1/servers', { token: late.secret })).toMatchObject({ status: 401, body: { code: 'TOKEN_INVALID' } });
    api.clockOffsetMs = 0;
  });

  it('no token ever reaches the log', async () => {
    await api.call('GET', '/v1/servers?server=x', { token: api.tokens.read });
    const log = JSON.stringify(api.log);
    for (const secret of Object.values(api.tokens)) expect(log).not.toContain(secret);
    expect(api.log.at(-1)).toMatchObject({ message: 'request answered', fields: { method: 'GET', actor: 'read' } });
  });
});
