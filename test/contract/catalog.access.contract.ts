import type { CatalogUnderTest } from './catalog.contract';
import { codeOf, givenServer, manifestOf, readAll } from './catalog.fixtures';

export function accessContract(subject: () => CatalogUnderTest): void {
  describe('tokens', () => {
    it('authenticates with the secret and nothing else', async () => {
      const { catalog } = subject();
      const { record, secret } = await catalog.createToken('setup', 'alice', ['read', 'operate', 'read'], null);
      expect(record).toEqual({
        id: expect.stringMatching(/^tok_/),
        name: 'alice',
        scopes: ['read', 'operate'],
        createdAt: '2026-03-01T00:00:00.000Z',
        expiresAt: null,
      });
      expect(await catalog.authenticate(secret)).toEqual(record);
      for (const wrong of ['', record.id, secret.slice(0, -1), `${secret}x`, secret.toUpperCase(), 'x'.repeat(100_000), 'a\u0000b']) {
        expect(await codeOf(catalog.authenticate(wrong))).toBe('TOKEN_INVALID');
      }
    });

    it('gives every token another secret, of at least 256 bits, and never audits it', async () => {
      const { catalog } = subject();
      const first = await catalog.createToken('setup', 'alice', ['admin'], null);
      const second = await catalog.createToken('setup', 'alice', ['admin'], null);
      expect(first.secret).not.toBe(second.secret);
      expect(first.secret).toMatch(/^modosu_[A-Za-z0-9_-]{43}$/);
      const audit = JSON.stringify(await catalog.listAudit({}, { limit: 10, cursor: null }));
      expect(audit).toContain('token.created');
      expect(audit).not.toContain(first.secret);
      expect(audit).not.toContain(first.secret.slice(7));
    });

    it('refuses an expired one, to the millisecond', async () => {
      const { catalog, advance } = subject();
      const { record, secret } = await catalog.createToken('setup', 'short', ['read'], new Date(Date.UTC(2026, 2, 1, 0, 0, 1)));
      expect(record.expiresAt).toBe('2026-03-01T00:00:01.000Z');
      advance(999);
      expect(await catalog.authenticate(secret)).toEqual(record);
      advance(1);
      expect(await codeOf(catalog.authenticate(secret))).toBe('TOKEN_INVALID');
    });

    it('lists them newest first, without their secrets; one that is revoked is listed and opens nothing, once and for all', async () => {
      const { catalog, advance } = subject();
      const first = await catalog.createToken('setup', 'alice', ['read'], null);
      advance(1000);
      const second = await catalog.createToken('setup', 'bob', ['operate'], new Date(Date.UTC(2027, 0, 1)));
      expect(await catalog.listTokens()).toEqual([second.record, first.record]);
      advance(1000);
      const revoked = { ...first.record, expiresAt: '2026-03-01T00:00:02.000Z' };
      expect(await Promise.all(Array.from({ length: 5 }, () => catalog.revokeToken('carol', first.record.id)))).toEqual(Array(5).fill(revoked));
      expect(await codeOf(catalog.authenticate(first.secret))).toBe('TOKEN_INVALID');
      expect(await catalog.authenticate(second.secret)).toEqual(second.record);
      advance(1000);
      expect(await catalog.revokeToken('dave', first.record.id)).toEqual(revoked);
      expect(await catalog.listTokens()).toEqual([second.record, revoked]);
      expect(await codeOf(catalog.revokeToken('carol', 'tok_nothing'))).toBe('TOKEN_NOT_FOUND');
      const { items } = await catalog.listAudit({}, { limit: 10, cursor: null });
      expect(items.filter(({ action }) => action === 'token.revoked')).toMatchObject([
        { actor: 'carol', details: { tokenId: first.record.id, name: 'alice' } },
      ]);
    });

    it.each([
      ['an empty name', '', ['read'] as const],
      ['a name with a line break', 'a\nb', ['read'] as const],
      ['a name of 65 characters', 'x'.repeat(65), ['read'] as const],
      ['no scope', 'alice', [] as const],
      ['an unknown scope', 'alice', ['root' as 'admin'] as const],
    ])('refuses %s', async (_what, name, scopes) => {
      expect(await codeOf(subject().catalog.createToken('setup', name, scopes, null))).toBe('REQUEST_INVALID');
    });
  });

  describe('audit', () => {
    it('numbers entries without gaps, links them, and lists them oldest first in pages', async () => {
      const { catalog } = subject();
      await Promise.all(
        Array.from({ length: 25 }, (_, index) =>
          catalog.audit({ actor: 'alice', action: 'note.added', runId: index % 2 === 0 ? 'run_even' : null, details: { index } }),
        ),
      );
      const all = await readAll((cursor) => catalog.listAudit({}, { limit: 7, cursor }));
      expect(all.map(({ seq }) => seq)).toEqual(Array.from({ length: 25 }, (_, index) => index + 1));
      all.forEach((entry, index) => expect(entry.previousHash).toBe(index === 0 ? '0'.repeat(64) : all[index - 1]?.hash));
      const even = await readAll((cursor) => catalog.listAudit({ runId: 'run_even' }, { limit: 5, cursor }));
      expect(even).toHaveLength(13);
      expect(await catalog.verifyAudit()).toEqual({ intact: true, entries: 25, headHash: all.at(-1)?.hash });
    });

    it('keeps hostile details in a form that verifies', async () => {
      const { catalog } = subject();
      await catalog.audit({
        actor: 'alice\u0000',
        action: 'request.refused',
        serverId: 'srv_\u0000x',
        details: {
          body: `\u0000\ud800${'x'.repeat(100_000)}`,
          number: 1e300,
          small: 5e-324,
          minusZero: -0,
          nothing: undefined,
          list: [undefined, Number.NaN],
          'a\u0000': { '': null },
        },
      });
      const { items } = await catalog.listAudit({}, { limit: 10, cursor: null });
      expect(items[0]).toMatchObject({
        actor: 'alice',
        serverId: 'srv_x',
        details: { number: 1e300, small: 5e-324, minusZero: 0, list: [null, 'NaN'], a: { '': null } },
      });
      expect(Buffer.byteLength(JSON.stringify(items[0]))).toBeLessThan(6000);
      expect(await catalog.verifyAudit()).toMatchObject({ intact: true, entries: 1 });
    });

    it('verifies an empty chain', async () => {
      expect(await subject().catalog.verifyAudit()).toEqual({ intact: true, entries: 0, headHash: '0'.repeat(64) });
    });
  });

  describe('pages', () => {
    const encoded = (position: unknown): string => Buffer.from(JSON.stringify(position)).toString('base64url');
    it.each([
      ['empty', ''],
      ['not base64url', '../../etc/passwd'],
      ['not JSON', 'x'],
      ['JSON but not a position', encoded(null)],
      ['without a position', encoded(['runs'])],
      ['with a time that is none', encoded(['runs', 'yesterday', 'run_1'])],
      ['with a number that is none', encoded(['audit', '1'])],
      ['very long', 'A'.repeat(10_000)],
    ])('refuses a cursor that is %s', async (_what, cursor) => {
      const { catalog } = subject();
      const page = { limit: 10, cursor };
      expect(await codeOf(catalog.listRuns({}, page))).toBe('REQUEST_INVALID');
      expect(await codeOf(catalog.listAudit({}, page))).toBe('REQUEST_INVALID');
      expect(await codeOf(catalog.listRecoveryPoints({}, page))).toBe('REQUEST_INVALID');
    });

    it('refuses the cursor of another list', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      for (const generation of [1, 2]) await catalog.recordRecoveryPoint(manifestOf(server, generation), 'main');
      const { nextCursor } = await catalog.listRecoveryPoints({}, { limit: 1, cursor: null });
      expect(nextCursor).toMatch(/^[A-Za-z0-9_-]+$/);
      expect(await codeOf(catalog.listRuns({}, { limit: 1, cursor: nextCursor }))).toBe('REQUEST_INVALID');
    });

    it.each([0, -1, 1.5, 501, Number.NaN])('refuses a page of %d', async (limit) => {
      expect(await codeOf(subject().catalog.listRuns({}, { limit, cursor: null }))).toBe('REQUEST_INVALID');
    });
  });
}
