import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto';

const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** Some milliseconds each: a worker may have been given a hundred credentials, and a guess costs as much as a check. */
const COST = { N: 4096, r: 8, p: 1 } as const;

/** By which a secret can be recognised and not read: `SALT.HASH` of scrypt. Blanks around a secret are none of it, as in a file that holds one. */
export function proofOf(secret: string): string {
  const salt = randomBytes(SALT_BYTES);
  return `${salt.toString('base64url')}.${hashOf(secret, salt).toString('base64url')}`;
}

/** False also for what is no proof. */
export function isProvenBy(proof: string | undefined, secret: string): boolean {
  const [salt, hash] = (proof ?? '').split('.').map((part) => Buffer.from(part, 'base64url'));
  return salt?.length === SALT_BYTES && hash?.length === HASH_BYTES && timingSafeEqual(hash, hashOf(secret, salt));
}

const hashOf = (secret: string, salt: Buffer): Buffer => scryptSync(secret.trim(), salt, HASH_BYTES, COST);
