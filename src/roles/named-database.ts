import { cleanWords } from '../contracts/text';

const MOST_WORDS = 500;

/** Which database an address means, for people: without password, and without what else may stand behind it. As `pg` reads it: parameters count first. */
export function namedDatabase(url: string, from: string | null): string {
  const { username, hostname, port, pathname, searchParams } = new URL(url);
  const [user, host, at] = [searchParams.get('user') ?? username, searchParams.get('host') ?? hostname, searchParams.get('port') ?? port];
  return cleanWords(`Database: ${user}@${host}${at === '' ? '' : `:${at}`}${pathname}${from === null ? '' : `, as ${from} says`}.`, MOST_WORDS);
}

/** Why there is none, for whoever has named another one. */
export const NO_OWNER_HINT =
  'Set it, or MODOSU_DATABASE_OWNER_URL_FILE, together with the other variables of this database. What services were told is taken only where nothing else is said of database and Temporal.';
