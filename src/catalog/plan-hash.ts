import type { PlanBody } from '../contracts/plan';
import { canonicalJson } from '../domain/canonical-json';
import { sha256Of } from '../system/sha256';

/**
 * SHA-256, lower-case hex, of the canonical JSON of a plan: what confirmation and run are bound to. A stored body is canonical JSON already: its hash is that
 * of its text.
 */
export const planHash = (body: PlanBody): string => sha256Of(canonicalJson(body));
