/**
 * Ids are `<prefix>_<26 characters of Crockford base32>`: 48 bits of milliseconds, then 80 random bits, so that they sort
 * by age. They are safe as file names, volume suffixes and workflow ids.
 */
export type IdPrefix = 'srv' | 'rp' | 'plan' | 'run' | 'tok' | 'req' | 'due' | 'alrt' | 'msg' | 'vrf' | 'set' | 'trf' | 'chg' | 'rset';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const ID_PATTERN = /^(srv|rp|plan|run|tok|req|due|alrt|msg|vrf|set|trf|chg|rset)_[0-9a-hjkmnp-tv-z]{26}$/;

/** Not for workflows: it reads the clock and random bytes. */
export function newId(prefix: IdPrefix, nowMs: number = Date.now()): string {
  let time = '';
  let rest = nowMs;
  for (let i = 0; i < 10; i += 1) {
    time = ALPHABET.charAt(rest % 32) + time;
    rest = Math.floor(rest / 32);
  }
  const random = globalThis.crypto.getRandomValues(new Uint8Array(16));
  let tail = '';
  for (const byte of random) tail += ALPHABET.charAt(byte % 32);
  return `${prefix}_${time}${tail}`;
}

export const isId = (prefix: IdPrefix, value: unknown): value is string =>
  typeof value === 'string' && ID_PATTERN.test(value) && value.startsWith(`${prefix}_`);

/** Workflow id shared by everything that mutates one server: Temporal itself then refuses a second one. */
export const serverWorkflowId = (serverId: string): string => `server/${serverId}`;
/** One verification is one workflow; it shares nothing with runs. */
export const verificationWorkflowId = (verificationId: string): string => `verification/${verificationId}`;
/** What brings the runs of one set together. */
export const backupSetWorkflowId = (setId: string): string => `backup-set/${setId}`;
/** The same of a transfer to or from an off-site repository. */
export const offsiteWorkflowId = (transferId: string): string => `offsite/${transferId}`;
/** One at a time judges the estate. */
export const JUDGING_WORKFLOW_ID = 'judge-estate';
export const planWorkflowId = (planId: string): string => `plan/${planId}`;

export const CONTROL_TASK_QUEUE = 'control';
/** Short control calls of one hypervisor: start, stop, define, inspect. */
export const hostTaskQueue = (hypervisor: string): string => `host.${hypervisor}`;
/** Long copies of one hypervisor: slots of their own, so that a control call never waits behind a copy. */
export const transferTaskQueue = (hypervisor: string): string => `host.${hypervisor}.transfer`;
/** Reading stored recovery points again: a slot of its own, so that no restore waits behind it. */
export const verificationTaskQueue = (hypervisor: string): string => `host.${hypervisor}.verification`;
/** Copies to and from off-site repositories: slots of their own, so that no backup and no restore waits behind one. */
export const offsiteTaskQueue = (hypervisor: string): string => `host.${hypervisor}.offsite`;
