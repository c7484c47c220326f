import { randomBytes } from 'node:crypto';
import { isTokenName, TOKEN_SCOPES, type TokenScope } from '../contracts/api/token';
import { ModosuError } from '../contracts/errors';
import { sha256Of } from '../system/sha256';

const PREFIX = 'modosu_';
const SCOPES: ReadonlySet<string> = new Set(TOKEN_SCOPES);

/** 256 random bits; the prefix lets scanners for leaked secrets find it. */
export const newTokenSecret = (): string => PREFIX + randomBytes(32).toString('base64url');

/**
 * What is stored and looked up. With 256 random bits a plain hash cannot be guessed back, and a look-up by hash takes no time that depends on how
 * much of a guess is right.
 */
export const tokenHash = (secret: string): string => sha256Of(secret);

export const tokenInvalid = (): ModosuError => new ModosuError('TOKEN_INVALID', 'The token is unknown or has expired.');

/** Throws `REQUEST_INVALID`. */
export function requireTokenRequest(name: string, scopes: readonly TokenScope[], expiresAt: Date | null): void {
  if (!isTokenName(name)) throw invalid('The name of a token must have 1 to 64 characters, no control characters, no space at its ends.');
  if (scopes.length === 0 || !scopes.every((scope) => SCOPES.has(scope))) throw invalid('A token needs one or more of the scopes read, operate, admin.');
  if (expiresAt !== null && Number.isNaN(expiresAt.getTime())) throw invalid('The time at which the token expires is not a time.');
}

const invalid = (message: string): ModosuError => new ModosuError('REQUEST_INVALID', message);
