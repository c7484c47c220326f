import { compare, hash } from 'bcryptjs';
import { readFile } from 'node:fs/promises';
import { isId } from '../../contracts/ids';
import type { Secrets } from '../../secrets/secrets';
import { errorCode, writeFileDurably } from '../../system/files';

/** A login that has no repository and never gets one: whoever only wants to know whether logins are accepted uses it. */
export const PROBE_LOGIN = 'probe';

const BELOW = 'data';
export const secretName = (login: string, what: 'login' | 'repository' | 'repository-id' | 'manifest' | 'maintenance'): string => `${BELOW}/${login}/${what}`;
/** The password of a repository that was given up: whoever finds its storage again can still read it. */
export const givenUpName = (login: string, repositoryId: string): string => `${BELOW}/${login}/given-up-${repositoryId.slice(0, 16)}`;
/** The key that opens one repository; another one in its place has another. */
export const keyIdName = (login: string, repositoryId: string): string => `${BELOW}/${login}/key-of-${repositoryId.slice(0, 16)}`;

/** The server checks it with every request, hundreds for one backup. Passwords have 192 random bits: nobody can try them out, however quick one attempt is. */
const BCRYPT_COST = 4;

let previous: Promise<void> = Promise.resolve();

/**
 * Makes the htpasswd file (0600, hashes only) say what the secrets say: a line for each login. Replaced as a whole and only when something is missing or too
 * much; `rclone serve restic` and rest-server read it again when it has changed. Idempotent; of several at once, also in other processes, the last one sees the
 * logins of all.
 */
export function writeLogins(secrets: Secrets, htpasswdFile: string): Promise<void> {
  const next = previous.then(() => settle(secrets, htpasswdFile));
  previous = next.catch(() => undefined);
  return next;
}

async function settle(secrets: Secrets, htpasswdFile: string): Promise<void> {
  await secrets.getOrMake(secretName(PROBE_LOGIN, 'login'));
  // Written, then looked at again: another process may have listed before a login was made and written after us.
  for (let wanted = await wantedFile(secrets, htpasswdFile); wanted !== null; wanted = await wantedFile(secrets, htpasswdFile)) {
    await writeFileDurably(htpasswdFile, wanted, 0o600);
  }
}

/** Null: the file is right as it is. */
async function wantedFile(secrets: Secrets, htpasswdFile: string): Promise<string | null> {
  const present = await readFile(htpasswdFile, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  });
  const known = new Map(present.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)] as const));
  const lines: string[] = [];
  for (const name of await secrets.list(BELOW)) {
    const [, login, what] = name.split('/');
    if (login === undefined || what !== 'login' || (login !== PROBE_LOGIN && !isId('srv', login))) continue;
    const password = await secrets.read(name);
    if (password !== null) lines.push(`${login}:${await hashOf(password, known.get(login))}\n`);
  }
  const wanted = lines.join('');
  return wanted === present ? null : wanted;
}

/** `$2y$` and `$2b$` are the same; rclone's htpasswd reader knows only the first. */
async function hashOf(password: string, known: string | undefined): Promise<string> {
  if (known?.startsWith('$2y$') === true && (await compare(password, known.replace('$2y$', '$2b$')))) return known;
  return (await hash(password, BCRYPT_COST)).replace(/^\$2[ab]\$/, '$2y$');
}
