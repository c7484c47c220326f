import { isExpired, tokenNotFound, tokenRecord } from '../../src/catalog/access-store';
import type { Catalog } from '../../src/catalog/catalog';
import type { TokenRow } from '../../src/catalog/entities';
import { newTokenSecret, requireTokenRequest, tokenHash, tokenInvalid } from '../../src/catalog/token-secret';
import { newId } from '../../src/contracts/ids';
import type { FakeGround } from './fake-catalog-ground';

/** Tokens of the API, in memory. */
export class FakeTokens {
  /** By the hash of their secret. */
  private readonly rows = new Map<string, TokenRow>();

  constructor(private readonly ground: FakeGround) {}

  create: Catalog['createToken'] = async (actor, name, scopes, expiresAt) => {
    this.ground.reach();
    requireTokenRequest(name, scopes, expiresAt);
    const secret = newTokenSecret();
    const row: TokenRow = { id: newId('tok'), name, scopes: [...new Set(scopes)], secretSha256: tokenHash(secret), createdAt: this.ground.now(), expiresAt };
    this.rows.set(row.secretSha256, row);
    this.ground.append({ actor, action: 'token.created', details: { tokenId: row.id, name, scopes: row.scopes, expiresAt } });
    return { record: tokenRecord(row), secret };
  };

  authenticate: Catalog['authenticate'] = async (secret) => {
    this.ground.reach();
    const row = this.rows.get(tokenHash(secret));
    if (row === undefined || isExpired(row, this.ground.now())) throw tokenInvalid();
    return tokenRecord(row);
  };

  list: Catalog['listTokens'] = async () => {
    this.ground.reach();
    return [...this.rows.values()].sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || (a.id < b.id ? 1 : -1)).map(tokenRecord);
  };

  revoke: Catalog['revokeToken'] = async (actor, tokenId) => {
    this.ground.reach();
    const row = [...this.rows.values()].find(({ id }) => id === tokenId);
    if (row === undefined) throw tokenNotFound(tokenId);
    const revoked = { ...row, expiresAt: this.ground.now() };
    if (isExpired(row, revoked.expiresAt)) return tokenRecord(row);
    this.rows.set(row.secretSha256, revoked);
    this.ground.append({ actor, action: 'token.revoked', details: { tokenId, name: row.name } });
    return tokenRecord(revoked);
  };
}
