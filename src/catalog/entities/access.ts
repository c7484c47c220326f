import { EntitySchema } from 'typeorm';
import type { AuditEntryView } from '../../contracts/run';
import type { TokenScope } from '../catalog';
import { bigint, instant, json, primary, text } from './columns';

export interface TokenRow {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly TokenScope[];
  /** SHA-256 of the secret, lower-case hex; the secret itself is nowhere. */
  readonly secretSha256: string;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
}

export const TokenEntity = new EntitySchema<TokenRow>({
  name: 'token',
  columns: {
    id: text(primary),
    name: text(),
    scopes: text({ array: true }),
    secretSha256: text({ name: 'secret_sha256' }),
    createdAt: instant({ name: 'created_at' }),
    expiresAt: instant({ name: 'expires_at', nullable: true }),
  },
  uniques: [{ name: 'token_secret_key', columns: ['secretSha256'] }],
});

/** A token that was ended before its time; written once. */
export interface TokenRevocationRow {
  readonly tokenId: string;
  readonly revokedAt: Date;
}

export const TokenRevocationEntity = new EntitySchema<TokenRevocationRow>({
  name: 'token_revocation',
  columns: { tokenId: text({ name: 'token_id', primary: true }), revokedAt: instant({ name: 'revoked_at' }) },
  foreignKeys: [{ name: 'token_revocation_token_fkey', target: 'token', columnNames: ['tokenId'], referencedColumnNames: ['id'] }],
});

/** Which request an Idempotency-Key was first used for, and what came of it. */
export interface IdempotencyKeyRow {
  readonly actor: string;
  readonly key: string;
  readonly requestDigest: string;
  /** Id of the run or plan. */
  readonly resultId: string;
  readonly createdAt: Date;
}

export const IdempotencyKeyEntity = new EntitySchema<IdempotencyKeyRow>({
  name: 'idempotency_key',
  columns: {
    actor: text(primary),
    key: text(primary),
    requestDigest: text({ name: 'request_digest' }),
    resultId: text({ name: 'result_id' }),
    createdAt: instant({ name: 'created_at' }),
  },
});

export interface AuditEntryRow extends Omit<AuditEntryView, 'at'> {
  readonly at: Date;
}

/** Read here; written only by `src/audit/append-audit.ts`. */
export const AuditEntryEntity = new EntitySchema<AuditEntryRow>({
  name: 'audit_entry',
  columns: {
    seq: bigint(primary),
    at: instant(),
    actor: text(),
    action: text(),
    runId: text({ name: 'run_id', nullable: true }),
    serverId: text({ name: 'server_id', nullable: true }),
    details: json(),
    previousHash: text({ name: 'previous_hash' }),
    hash: text(),
  },
  indices: [{ name: 'audit_entry_run_idx', columns: ['runId', 'seq'] }],
});
