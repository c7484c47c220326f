import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { StateLayout } from '../../config/state-layout';
import { SECRET_VARIABLES } from '../../config/variables';
import { withinDeadline } from '../../contracts/deadline';
import { ModosuError } from '../../contracts/errors';
import { redactor } from '../../contracts/redact';
import { errorCode, errorMessage } from '../../system/files';
import { guessedIn, type FoundSecrets } from './found-secrets';
import { secretsOfOffsite, secretsOfRclone } from './offsite-secrets';
import { secretsOfStores } from './store-secrets';

/** Shorter words of a file are no secrets of ours; to hide them would only make the text unreadable. Passwords are hidden whatever their length. */
const LEAST_WORD = 12;
const LEAST_SECRET = 4;
/** Below that its base64 is a word like any other. */
const LEAST_ENCODED = 8;
/** Nothing in the directory of secrets is longer than some keys; secret stores read no more than that of a file, either. */
const MOST_BYTES = 1024 * 1024;
/** Below the directory of secrets. What stands in it is known by name, so regions and paths stay readable. */
const OFFSITE_ENVIRONMENT = /^offsite\/[^/]+\/environment$/;
/** Storage that does not answer is waited for no longer. */
const READ_TIMEOUT_MS = 10_000;

/** Variables that name a file with a secret. */
const SECRET_FILES = [...SECRET_VARIABLES.map((name) => `${name}_FILE`), 'MODOSU_PAYLOAD_KEYS_FILE', 'MODOSU_DATA_TLS_KEY_FILE', 'MODOSU_TOKEN_FILE'];

/** Takes secrets out of a text: those that lie on this machine wherever they stand in it, and whatever looks like a password or a token. */
export type Hide = (text: string) => string;

/**
 * Reads every secret of this installation, those of the secret stores declared on this machine among them, to know what to take out. Throws
 * `SUPPORT_BUNDLE_REFUSED` when one cannot be read: what is not known cannot be hidden.
 *
 * @param layout what it names may be missing: the secrets then come from the environments alone
 * @param envs of all that may have written what is to be hidden: a secret that one of them knows under a name is another one than that of the next
 */
export async function hideSecretsOf(
  { secrets: directory, secretStoresFile }: Pick<StateLayout, 'secrets' | 'secretStoresFile'>,
  ...envs: readonly Env[]
): Promise<Hide> {
  const below = await contentsBelow(directory);
  const offsite = below.filter(({ name }) => OFFSITE_ENVIRONMENT.test(name));
  const ofDirectory = below.filter((file) => !offsite.includes(file)).map(({ text }) => secretsIn(text));
  const ofOffsite = await Promise.all(offsite.map(({ text }) => secretsOfOffsite(text, contentOf)));
  const ofEnvironments = await Promise.all(envs.map((env) => secretsOfEnvironment(env, secretStoresFile, readsOwnRclone(below))));
  const secrets = [...ofDirectory, ...ofOffsite, ...ofEnvironments.flat()].flatMap(longEnough);
  return redactor([...new Set(secrets)].flatMap(formsOf));
}

type Env = Readonly<Record<string, string | undefined>>;

async function secretsOfEnvironment(env: Env, secretStoresFile: string, withRclone: boolean): Promise<readonly FoundSecrets[]> {
  const named = SECRET_FILES.flatMap((name) => (env[name] ? [env[name]] : []));
  const given = [...SECRET_VARIABLES, 'MODOSU_TOKEN'].map((name) => env[name] ?? '');
  // A service that was told of none has those of the state directory, whatever this environment says.
  const stores = [...new Set([env['MODOSU_SECRET_STORES_FILE'] || secretStoresFile, secretStoresFile])];
  const contents = [...(await Promise.all(named.map(contentOf))), ...(await Promise.all(stores.map((file) => secretsOfStores(file, env, contentOf)))).flat()];
  const ofRclone = withRclone ? await Promise.all(rcloneFiles(env).map(async (file) => secretsOfRclone(await contentOf(file)))) : [];
  return [...[...contents, ...given].map(secretsIn), ...ofRclone];
}

interface SecretFile {
  /** Below the directory of secrets. */
  readonly name: string;
  readonly text: string;
}

/** Whether there is a place for copies elsewhere that names no configuration of rclone: its `rclone:` would be the one of whoever runs the worker. */
function readsOwnRclone(files: readonly SecretFile[]): boolean {
  const places = new Set(files.flatMap(({ name }) => /^offsite\/[^/]+(?=\/)/.exec(name) ?? []));
  return [...places].some((place) => !files.some(({ name, text }) => name === `${place}/environment` && /^RCLONE_CONFIG=/m.test(text)));
}

/** Where rclone looks where nobody names a file. */
const rcloneFiles = ({ XDG_CONFIG_HOME: config, HOME: home }: Readonly<Record<string, string | undefined>>): readonly string[] => [
  ...(config ? [join(config, 'rclone/rclone.conf')] : []),
  ...(home ? [join(home, '.config/rclone/rclone.conf'), join(home, '.rclone.conf')] : []),
];

/** Empty for a directory that is not there. */
async function contentsBelow(directory: string): Promise<readonly SecretFile[]> {
  let names: readonly string[];
  try {
    names = await readdir(directory, { recursive: true });
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw unreadable(directory, error);
  }
  return Promise.all(names.map(async (name) => ({ name, text: await contentOf(join(directory, name)) })));
}

/** A link is followed, as whoever uses the secret follows it. Nothing for a directory, and for what is not there. */
function contentOf(path: string): Promise<string> {
  return withinDeadline(contentNow(path), READ_TIMEOUT_MS, () => unreadable(path, `it did not answer within ${READ_TIMEOUT_MS / 1000} s`));
}

async function contentNow(path: string): Promise<string> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return '';
    if (!found.isFile()) throw new Error('it is no file');
    if (found.size > MOST_BYTES) throw new Error(`it is larger than ${MOST_BYTES} bytes`);
    return await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return '';
    throw unreadable(path, error);
  }
}

const unreadable = (path: string, error: unknown): ModosuError =>
  new ModosuError('SUPPORT_BUNDLE_REFUSED', `${path} cannot be read, so nobody knows which secrets to leave out: ${errorMessage(error)}`, {
    context: { path },
  });

/** Whatever of a file could be a secret: the file, what is guessed of it, and the password of an address. */
function secretsIn(text: string): FoundSecrets {
  const whole = text.trim();
  const addresses = [whole, ...whole.split('\n').map((line) => line.trim()), ...(whole.match(/[^\s"',]+/g) ?? [])];
  return { sure: [whole, ...addresses.flatMap(passwordsOf)], guessed: guessedIn(whole) };
}

function longEnough({ sure, guessed }: FoundSecrets): readonly string[] {
  const words = guessed.filter((word) => word.length >= LEAST_WORD && !/^-----|^\/\//.test(word));
  return [...new Set([...sure.filter((secret) => secret.length >= LEAST_SECRET), ...words])];
}

/** As it stands in the address, and as it is. */
function passwordsOf(address: string): readonly string[] {
  const { password } = URL.parse(address) ?? { password: '' };
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    return [password];
  }
}

/** As it is, inside JSON, and in base64 at whatever place (a login in a header, an agent's message). */
function formsOf(secret: string): readonly string[] {
  const encoded = secret.length < LEAST_ENCODED ? [] : [0, 1, 2].map((shift) => base64Inside(secret, shift));
  return [secret, JSON.stringify(secret).slice(1, -1), ...encoded, ...encoded.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'))];
}

/** The characters of a base64 text that hold bits of the secret alone, when `shift` bytes (modulo 3) stand before it. */
function base64Inside(secret: string, shift: number): string {
  const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(secret)]);
  return bytes.toString('base64').slice(Math.ceil((shift * 8) / 6), Math.floor((bytes.length * 8) / 6));
}
