import { MoreThan } from 'typeorm';
import { verifyAuditChain } from '../audit/audit-chain';
import { ModosuError } from '../contracts/errors';
import { quoted } from '../contracts/text';
import { newId } from '../contracts/ids';
import type { TokenRecord } from './catalog';
import type { TokenCatalog } from './port/tokens';
import type { AuditCatalog } from './port/audit';
import { readSequenceCursor, rowsToRead, sequenceCursor, toPage } from './cursor';
import type { Database } from './database';
import { AuditEntryEntity, TokenEntity, TokenRevocationEntity, type TokenRevocationRow, type TokenRow } from './entities';
import { newTokenSecret, requireTokenRequest, tokenHash, tokenInvalid } from './token-secret';
import { auditEntryView } from './views';

const VERIFY_BATCH = 1000;

export function tokenStore(database: Database, now: () => Date): TokenCatalog {
  return {
    createToken: async (actor, name, scopes, expiresAt) => {
      requireTokenRequest(name, scopes, expiresAt);
      const secret = newTokenSecret();
      const row: TokenRow = { id: newId('tok'), name, scopes: [...new Set(scopes)], secretSha256: tokenHash(secret), createdAt: now(), expiresAt };
      await database.transaction(async ({ manager, audit }) => {
        await manager.insert(TokenEntity, row);
        audit({ actor, action: 'token.created', details: { tokenId: row.id, name, scopes: row.scopes, expiresAt } });
      });
      return { record: tokenRecord(row), secret };
    },

    authenticate: (secret) =>
      database.read(async (manager) => {
        const row = await manager.findOneBy(TokenEntity, { secretSha256: tokenHash(secret) });
        if (row === null) throw tokenInvalid();
        const ended = endedBy(row, await manager.findOneBy(TokenRevocationEntity, { tokenId: row.id }));
        if (isExpired(ended, now())) throw tokenInvalid();
        return tokenRecord(ended);
      }),

    listTokens: () =>
      database.read(async (manager) => {
        const revocations = new Map((await manager.find(TokenRevocationEntity)).map((revocation) => [revocation.tokenId, revocation]));
        const rows = await manager.find(TokenEntity, { order: { createdAt: 'DESC', id: 'DESC' } });
        return rows.map((row) => tokenRecord(endedBy(row, revocations.get(row.id) ?? null)));
      }),

    revokeToken: (actor, tokenId) =>
      database.transaction(async ({ manager, audit }) => {
        const row = await manager.findOneBy(TokenEntity, { id: tokenId });
        if (row === null) throw tokenNotFound(tokenId);
        const revokedAt = now();
        if (isExpired(row, revokedAt)) return tokenRecord(row);
        // Of several who revoke it at once, one has done it.
        const inserted = (await manager.query('INSERT INTO token_revocation (token_id, revoked_at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING token_id', [
          tokenId,
          revokedAt,
        ])) as readonly unknown[];
        if (inserted.length === 1) audit({ actor, action: 'token.revoked', details: { tokenId, name: row.name } });
        return tokenRecord(endedBy(row, await manager.findOneBy(TokenRevocationEntity, { tokenId })));
      }),
  };
}

export function auditStore(database: Database): AuditCatalog {
  return {
    audit: (entry) => database.transaction(async ({ audit }) => audit(entry)),

    listAudit: ({ runId }, page) =>
      database.read(async (manager) => {
        const after = readSequenceCursor('audit', page.cursor);
        const where = { seq: MoreThan(after), ...(runId === undefined ? {} : { runId }) };
        const rows = await manager.find(AuditEntryEntity, { where, order: { seq: 'ASC' }, take: rowsToRead(page) });
        return toPage(rows, page, auditEntryView, ({ seq }) => sequenceCursor('audit', seq));
      }),

    verifyAudit: () =>
      verifyAuditChain((afterSeq) =>
        database.read(async (manager) => {
          // The first batch has no lower bound: a number below 1 is a forged entry, too.
          const where = afterSeq === 0 ? {} : { seq: MoreThan(afterSeq) };
          return (await manager.find(AuditEntryEntity, { where, order: { seq: 'ASC' }, take: VERIFY_BATCH })).map(auditEntryView);
        }),
      ),
  };
}

export const tokenRecord = ({ id, name, scopes, createdAt, expiresAt }: TokenRow): TokenRecord => ({
  id,
  name,
  scopes,
  createdAt: createdAt.toISOString(),
  expiresAt: expiresAt?.toISOString() ?? null,
});

/** A token as it is after it was revoked, if it was. */
const endedBy = (row: TokenRow, revocation: TokenRevocationRow | null): TokenRow => {
  if (revocation === null || (row.expiresAt !== null && row.expiresAt <= revocation.revokedAt)) return row;
  return { ...row, expiresAt: revocation.revokedAt };
};

export const tokenNotFound = (tokenId: string): ModosuError =>
  new ModosuError('TOKEN_NOT_FOUND', `There is no token ${quoted(tokenId)}.`, { context: { tokenId: tokenId.slice(0, 128) } });

export const isExpired = ({ expiresAt }: Pick<TokenRow, 'expiresAt'>, now: Date): boolean => expiresAt !== null && expiresAt.getTime() <= now.getTime();
