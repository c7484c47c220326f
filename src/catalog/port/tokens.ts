import type { TokenScope } from '../../contracts/api/token';
import type { Actor, TokenRecord } from './requests';

/** Tokens of people and programs. */
export interface TokenCatalog {
  /** Stores only a SHA-256 of the token. The secret is returned once. Audited (name and scopes, never the token). */
  createToken(
    actor: Actor,
    name: string,
    scopes: readonly TokenScope[],
    expiresAt: Date | null,
  ): Promise<{ readonly record: TokenRecord; readonly secret: string }>;
  /** Throws `TOKEN_INVALID` for unknown and expired ones, in constant time with respect to the content. */
  authenticate(secret: string): Promise<TokenRecord>;
  /** Newest first, also those whose time is over. */
  listTokens(): Promise<readonly TokenRecord[]>;
  /**
   * Ends a token's time now; its row stays, because the audit names it. Throws `TOKEN_NOT_FOUND`. Idempotent: one whose time is over stays as it is. Audited.
   */
  revokeToken(actor: Actor, tokenId: string): Promise<TokenRecord>;
}
