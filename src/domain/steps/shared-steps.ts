import { step } from '../../contracts/step-keys';

/** The second step of every run that changes a server. */
export const TAKE_SERVER = step('fence', 'Take the server: no older run may write to it any more');

/** Of a recovery point that remembers credentials. */
export const REMEMBER_CREDENTIALS = step('credentials', 'Ask the secret stores which versions of its passwords are valid');

/** Sorts of steps (`copy` of `copy:vda`) whose bytes are what a restore brings back; those of other steps are read only, or copied within the server. */
const BRINGING_BACK: ReadonlySet<string> = new Set(['copy', 'fetch', 'data-fetch']);

export const bringsBack = (sort: string): boolean => BRINGING_BACK.has(sort);
