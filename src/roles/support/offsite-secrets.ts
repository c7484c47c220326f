import { offsiteVariableSort } from '../../repositories/offsite-environment';
import { guessedIn, type FoundSecrets } from './found-secrets';
import { unquoted, WORDS_OF_JSON, type ReadSecretFile } from './store-secrets';

/** Of a remote in the configuration of rclone: where it is and how it is spoken to. */
const OPEN_KEYS = new Set([
  ...['type', 'provider', 'vendor', 'region', 'endpoint', 'location_constraint', 'host', 'port', 'url', 'auth_url', 'token_url', 'remote'],
  ...['acl', 'bucket_acl', 'storage_class', 'server_side_encryption', 'key_file', 'known_hosts_file', 'service_account_file'],
]);
const SECRET_KEY = /pass|secret|token|key|credential|cookie|sas_url|bearer|private/;
/** What a token in JSON says beside its secrets. Hidden, the hour in which it expires would leave no log of that hour. */
const OPEN_KEYS_OF_JSON = new Set(['type', 'token_type', 'expiry']);

/** Also as the name of a variable ends: `AWS_REGION`, `RCLONE_CONFIG_BUCKET_ENDPOINT`. */
const isOpen = (name: string): boolean => !name.endsWith('sas_url') && [...OPEN_KEYS, 'env_auth'].some((key) => name === key || name.endsWith(`_${key}`));

const isSecret = (name: string): boolean => SECRET_KEY.test(name) && !isOpen(name) && !name.endsWith('_id');

/**
 * Secrets of a file `offsite/<name>/environment` and of the configuration of rclone that it names. Read more kindly than a copy elsewhere does: with quotes,
 * `export`, blanks, `:` in place of `=`, several on a line, names that restic is not given, and lines that were taken out with `#`: whoever asks for help may
 * have got it wrong. What has no name at all is guessed at.
 *
 * @param read empty for a file that is not there
 */
export async function secretsOfOffsite(text: string, read: ReadSecretFile): Promise<FoundSecrets> {
  const sure: string[] = [];
  const guessed: string[] = [];
  const logins: string[] = [];
  const passwords: string[] = [];
  for (const line of linesOf(text)) {
    const named = namedIn(line);
    sure.push(...loginOf(line));
    if (named.length === 0) guessed.push(...guessedOf(line));
    for (const { name, value } of named) {
      const sort = offsiteVariableSort(name);
      sure.push(...loginOf(value));
      if (name === 'RCLONE_CONFIG') {
        const found = value.startsWith('/') && !value.includes('\0') ? secretsOfRclone(await read(value)) : { sure: [value], guessed: [] };
        sure.push(...found.sure);
        guessed.push(...found.guessed);
      } else if (WORDS_OF_JSON.includes(value)) continue;
      else if (sort === 'login') logins.push(value);
      else if (sort === 'secret' || (sort === null && isSecret(name.toLowerCase()))) passwords.push(value);
      else if (sort === null && !isOpen(name.toLowerCase())) {
        guessed.push(value, ...(textsOfJson(value) ?? guessedOf(line)));
        continue;
      }
      guessed.push(...insideOf(sort === 'open' || isOpen(name.toLowerCase()) ? value.replace(/^\S+/, '') : value));
    }
  }
  // As they stand in the header of a login, before base64: there a short password shows, too.
  const pairs = logins.flatMap((login) => passwords.map((password) => `${login}:${password}`));
  return { sure: [...sure, ...passwords, ...pairs], guessed: [...guessed, ...logins] };
}

interface Named {
  /** In capitals. */
  readonly name: string;
  readonly value: string;
}

/** What has a name, to the end of the line; where more names follow, also to the next one. A key alone that ends as base64 does has none. */
function namedIn(line: string): readonly Named[] {
  const [, first = '', rest = ''] = /^(?:#\s*)?(?:export\s+)?([A-Za-z_]\w*)\s*[=:]\s*(?!\/\/|=*$)(.*)$/.exec(line) ?? [];
  const whole = first === '' ? [] : [{ name: first, value: rest }];
  const parts = [...line.matchAll(/(?<=^|\s)([A-Za-z_]\w*)=(?!=*$)("[^"]*"|'[^']*'|\S+)/g)].map(([, name = '', value = '']) => ({ name, value }));
  // A password with blanks is one value: its first word alone is none.
  const named = first !== '' && parts.length < 2 && parts[0]?.name === first ? whole : [...whole, ...parts];
  return named.map(({ name, value }) => ({ name: name.toUpperCase(), value: unquoted(value) }));
}

/** Of a comment neither words of a sentence nor a region in it: without them no log could be read. */
function guessedOf(line: string): readonly string[] {
  const isSentence = /^#\s*\S+\s/.test(line);
  return guessedIn(line).filter((word) => !isNameOfVariable(word) && !(isSentence && /^\(?[A-Z]?[a-z]+(-[a-z]+)*(-\d)?[.:;?!)]*$/.test(word)));
}

const isNameOfVariable = (word: string): boolean => offsiteVariableSort(word.replace(/[:=]$/, '')) !== null;

/** Of a file of sections with lines `key = value`; of an encrypted one that is each line. */
export function secretsOfRclone(text: string): FoundSecrets {
  const sure: string[] = [];
  const guessed: string[] = [];
  for (const line of linesOf(text)) {
    const [, written = '', rest = ''] = /^(?:[#;]\s*)?([a-z][a-z0-9_]{0,60})\s*=\s*(?!=*$)(.*)$/i.exec(line) ?? [];
    const key = written.toLowerCase();
    const value = unquoted(rest);
    sure.push(...loginOf(value));
    if (key === '') {
      if (!/^[#;[]/.test(line)) guessed.push(line, ...guessedIn(line));
    } else if (isSecret(key) && !WORDS_OF_JSON.includes(value)) {
      sure.push(value);
      guessed.push(...(textsOfJson(value) ?? value.match(/[^\s"',:{}]+/g) ?? []));
    } else if (!OPEN_KEYS.has(key)) guessed.push(value, ...insideOf(value));
  }
  return { sure, guessed };
}

/** Of a value with several words, or in JSON. */
const insideOf = (value: string): readonly string[] => textsOfJson(value) ?? (/\s/.test(value) ? guessedIn(value) : []);

/** A token, and the account of a service, are JSON with several secrets inside; a key has lines. Null: it is none. */
function textsOfJson(value: string): readonly string[] | null {
  if (!value.startsWith('{')) return null;
  const texts: string[] = [];
  try {
    JSON.parse(value, (key, one: unknown) => {
      if (typeof one === 'string' && !OPEN_KEYS_OF_JSON.has(key)) texts.push(Buffer.from(one).toString());
      return one;
    });
  } catch {
    return null;
  }
  return texts.flatMap((text) => [text, ...text.split('\n')]);
}

const linesOf = (text: string): readonly string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

/** The password of an address, restic's with a second scheme in front among them. */
function loginOf(address: string): readonly string[] {
  const password = /:\/\/[^:@/]*:([^@]*)@/.exec(address)?.[1] ?? '';
  return password === '' ? [] : [password];
}
