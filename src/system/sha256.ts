import { createHash } from 'node:crypto';

/**
 * SHA-256 of a text (as UTF-8) or of bytes that are in memory anyway; 64 lower-case hex digits. Pure, so that rooms which may use nothing else of the operating
 * system may use this. Files are hashed by `sha256OfFile`, images by `segment-hash.ts`, off the event loop.
 */
export const sha256Of = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');
