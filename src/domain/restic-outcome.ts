/** What the end of a restic program means. */
export type ResticOutcome = 'ok' | 'partial' | 'locked' | 'wrong-password' | 'no-repository' | 'unreachable' | 'no-space' | 'damaged' | 'failed';
