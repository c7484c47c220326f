import { offsiteVariableSort } from '../../repositories/offsite-environment';
import { unquoted, WORDS_OF_JSON, type ReadSecretFile } from './store-secrets';

/** What was found in a file. */
export interface FoundSecrets {
  /** Hidden however short they are. */
  readonly sure: readonly string[];
  /** Hidden where they are long enough to be no word like any other. */
  readonly guessed: readonly string[];
}

/** Of a remote in the configuration of rclone: where it is and how it is spoken to. */
const OPEN_KEYS = new Set([
  ...['type', 'provider', 'vendor', 'region', 'endpoint', 'location_constraint', 'host', 'port', 'url', 'auth_url', 'token_url', 'remote'],
  ...['acl', 'bucket_acl', 'storage_class', 'server_side_encryption', 'key_file', 'known_hosts_file', 'service_account_file'],
]);
const SECRET_KEY = /pass|secret|token|key|credential|cookie|sas_url|bearer|private/;

/**
 * Secrets of a file `offsite/<name>/environment` and of the configuration of rclone that it names. Read more kindly than a copy elsewhere does: with quotes,
 * `export`, blanks, names that restic is not given, and lines that were taken out with `#`: whoever asks for help may have got it wrong.
 *
 * @param read empty for a file that is not there
 */
export async function secretsOfOffsite(text: string, read: ReadSecretFile): Promise<FoundSecrets> {
  const sure: string[] = [];
  const guessed: string[] = [];
  const logins: string[] = [];
  const passwords: string[] = [];
  for (const line of linesOf(text)) {
    const [, written = '', rest = ''] = /^(?:#\s*)?(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)$/.exec(line) ?? [];
    const name = written.toUpperCase();
    const value = unquoted(rest);
    const sort = offsiteVariableSort(name);
    sure.push(...loginOf(value));
    if (name === '') guessed.push(line);
    else if (name === 'RCLONE_CONFIG') {
      const found = value.startsWith('/') && !value.includes('\0') ? secretsOfRclone(await read(value)) : { sure: [value], guessed: [] };
      sure.push(...found.sure);
      guessed.push(...found.guessed);
    } else if (sort === 'login') logins.push(value);
    else if (sort !== 'open') passwords.push(value);
  }
  // As they stand in the header of a login, before base64: there a short password shows, too.
  const pairs = logins.flatMap((login) => passwords.map((password) => `${login}:${password}`));
  return { sure: [...sure, ...passwords, ...pairs], guessed: [...guessed, ...logins] };
}

/** Of a file of sections with lines `key = value`; of an encrypted one that is each line. */
function secretsOfRclone(text: string): FoundSecrets {
  const sure: string[] = [];
  const guessed: string[] = [];
  for (const line of linesOf(text)) {
    const [, written = '', rest = ''] = /^(?:[#;]\s*)?([a-z][a-z0-9_]{0,60})\s*=\s*(?!=*$)(.*)$/i.exec(line) ?? [];
    const key = written.toLowerCase();
    const value = unquoted(rest);
    sure.push(...loginOf(value));
    if (key === '') {
      if (!/^[#;[]/.test(line)) guessed.push(line);
    } else if (SECRET_KEY.test(key) && !OPEN_KEYS.has(key) && !key.endsWith('_id') && !WORDS_OF_JSON.includes(value)) {
      // A token is JSON with several secrets inside.
      sure.push(value);
      guessed.push(...(value.match(/[^\s"',:{}]+/g) ?? []));
    } else if (!OPEN_KEYS.has(key)) guessed.push(value);
  }
  return { sure, guessed };
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
