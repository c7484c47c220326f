import type { CommandResult } from './guest-agent';

/** User and group of an account in the guest, in digits. */
export interface Account {
  readonly uid: string;
  readonly gid: string;
}

/** Asks for the account of a name: databases let those in that are locally of the same name (`peer`). */
export const askAccount = (name: string): readonly ['id', '--', string] => ['id', '--', name];

/** What `askAccount` has found. Null: the guest has no account of that name. */
export function accountIn({ exitCode, stdout }: Pick<CommandResult, 'exitCode' | 'stdout'>): Account | null {
  const [, uid, gid] = /^uid=(\d{1,10})(?:\([^)]*\))? gid=(\d{1,10})\b/.exec(stdout) ?? [];
  return exitCode === 0 && uid !== undefined && gid !== undefined ? { uid, gid } : null;
}

/** What stands before a program that runs as this account; null: as the agent's own. setpriv puts the program in its own place. */
export const runningAs = (account: Account | null): readonly string[] =>
  account === null ? [] : ['setpriv', `--reuid=${account.uid}`, `--regid=${account.gid}`, '--init-groups'];
