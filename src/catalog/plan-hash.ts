import { createHash } from 'node:crypto';
import type { PlanBody } from '../contracts/plan';
import { canonicalJson } from '../domain/canonical-json';

/** SHA-256, lower-case hex, of the canonical JSON of a plan: what confirmation and run are bound to. */
export const planHash = (body: PlanBody): string => sha256(canonicalJson(body));

/** The same for a body that is stored as canonical JSON already. */
export const sha256 = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex');
