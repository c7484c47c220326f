import { MoreThan } from 'typeorm';
import { verifyAuditChain } from '../audit/audit-chain';
import { ModosuError } from '../contracts/errors';
import { newId } from '../contracts/ids';
import type { Catalog, TokenRecord } from './catalog';
import { readSequenceCursor, rowsToRead, sequenceCursor, toPage } from './cursor';
import type { Database } from './database';
import { AuditEntryEntity, TokenEntity, type TokenRow } from './entities';
import { newTokenSecret, requireTokenRequest, tokenHash, tokenInvalid } from './token-secret';
import { auditEntryView } from './views';

type TokenMethods = Pick<Catalog, 'createToken' | 'authenticate' | 'listTokens' | 'revokeToken'>;
type AuditMethods = Pick<Catalog, 'audit' | 'listAudit' | 'verifyAudit'>;

const VERIFY_BATCH = 1000;

export function tokenStore(database: Database, now: () => Date): TokenMethods {
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
        if (row === null || isExpired(row, now())) throw tokenInvalid();
        return tokenRecord(row);
      }),

    listTokens: () =>
      database.read(async (manager) => (await manager.find(TokenEntity, { order: { createdAt: 'DESC', id: 'DESC' } })).map(tokenRecord)),

    revokeToken: (actor, tokenId) =>
      database.transaction(async ({ manager, audit }) => {
        // One statement: of several who revoke it at once, one has done it.
        const at = now();
        const { affected } = await manager.createQueryBuilder().update(TokenEntity).set({ expiresAt: at }).where('id = :tokenId AND (expires_at IS NULL OR expires_at > :at)', { tokenId, at }).execute();
        const row = await manager.findOneBy(TokenEntity, { id: tokenId });
        if (row === null) throw tokenNotFound(tokenId);
        if (affected === 1) audit({ actor, action: 'token.revoked', details: { tokenId, name: row.name } });
        return tokenRecord(row);
      }),
  };
}

export function auditStore(database: Database): AuditMethods {
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

export const tokenRecord = ({ id, name, scopes, createdAt, expiresAt }: TokenRow): TokenRecord => ({ id, name, scopes, createdAt: createdAt.toISOString(), expiresAt: expiresAt?.toISOString() ?? null });

export const tokenNotFound = (tokenId: string): ModosuError => new ModosuError('TOKEN_NOT_FOUND', `There is no token "${tokenId.slice(0, 128)}".`, { context: { tokenId: tokenId.slice(0, 128) } });

export const isExpired = ({ expiresAt }: Pick<TokenRow, 'expiresAt'>, now: Date): boolean => expiresAt !== null && expiresAt.getTime() <= now.getTime();
