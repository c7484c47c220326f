import { ModosuError } from './errors';
import { isId, type IdPrefix } from './ids';
import { PART_NAME_PATTERN, SERVER_NAME_PATTERN } from './names';
import { quoted } from './text';

/** A server's name or id as somebody typed it. Throws `NAME_INVALID` for what no server can be called. */
export function serverSelector(value: string): string {
  if (isId('srv', value) || SERVER_NAME_PATTERN.test(value)) return value;
  throw new ModosuError('NAME_INVALID', `${quoted(value)} cannot be the name of a server.`);
}

/** A policy's name as somebody typed it; what cannot be one names nothing, and never reaches the database. Throws `POLICY_NOT_FOUND`. */
export function policySelector(value: string): string {
  if (PART_NAME_PATTERN.test(value)) return value;
  throw new ModosuError('POLICY_NOT_FOUND', `There is no policy ${quoted(value)}.`);
}

/** The same for a group. Throws `GROUP_NOT_FOUND`. */
export function groupSelector(value: string): string {
  if (PART_NAME_PATTERN.test(value)) return value;
  throw new ModosuError('GROUP_NOT_FOUND', `There is no group ${quoted(value)}.`);
}

/** The same for a profile. Throws `PROFILE_NOT_FOUND`. */
export function profileSelector(value: string): string {
  if (PART_NAME_PATTERN.test(value)) return value;
  throw new ModosuError('PROFILE_NOT_FOUND', `There is no profile ${quoted(value)}.`);
}

/** The number of a generation as somebody typed it. Throws `GENERATION_NOT_FOUND`. */
export function generationSelector(value: string): number {
  if (/^[1-9]\d{0,8}$/.test(value)) return Number(value);
  throw new ModosuError('GENERATION_NOT_FOUND', `There is no generation ${quoted(value)}.`);
}

const NOT_FOUND = {
  rp: ['RECOVERY_POINT_NOT_FOUND', 'recovery point'],
  plan: ['PLAN_NOT_FOUND', 'restore plan'],
  run: ['RUN_NOT_FOUND', 'run'],
  tok: ['TOKEN_NOT_FOUND', 'token'],
  vrf: ['VERIFICATION_NOT_FOUND', 'verification'],
  set: ['BACKUP_SET_NOT_FOUND', 'backup set'],
  rset: ['RESTORE_SET_NOT_FOUND', 'restore set'],
  trf: ['TRANSFER_NOT_FOUND', 'transfer'],
  chg: ['CHANGE_NOT_FOUND', 'configuration change'],
} as const satisfies Partial<Record<IdPrefix, readonly [string, string]>>;

export type SelectablePrefix = keyof typeof NOT_FOUND;

/** An id as somebody typed it; what cannot be one names nothing, and never reaches the database. */
export function idSelector(prefix: SelectablePrefix, value: string): string {
  if (isId(prefix, value)) return value;
  const [code, thing] = NOT_FOUND[prefix];
  throw new ModosuError(code, `There is no ${thing} ${quoted(value)}.`);
}
