import { ModosuError } from '../contracts/errors';
import type { OffsiteLocation } from '../contracts/offsite';
import { quoted } from '../contracts/text';

/** A `login` says who asks: restic's messages are shown without it, but a text without each word that is also somebody's login could not be read. */
export type OffsiteVariableSort = 'secret' | 'login' | 'open';

/** What may stand in the file, and whether its value is a secret. Anything else could make restic, ssh or the linker do something else. */
const ALLOWED: Readonly<Record<string, OffsiteVariableSort>> = {
  AWS_ACCESS_KEY_ID: 'login',
  AWS_SECRET_ACCESS_KEY: 'secret',
  AWS_SESSION_TOKEN: 'secret',
  AWS_DEFAULT_REGION: 'open',
  RESTIC_REST_USERNAME: 'login',
  RESTIC_REST_PASSWORD: 'secret',
  RCLONE_CONFIG: 'open',
  RCLONE_CONFIG_PASS: 'secret',
  /** PEM of a certificate to trust, beside those of the system; every version of restic reads it. */
  SSL_CERT_FILE: 'open',
};
const PATHS = new Set(['RCLONE_CONFIG', 'SSL_CERT_FILE']);

/** Null: restic is not given it. */
export const offsiteVariableSort = (name: string): OffsiteVariableSort | null => (Object.hasOwn(ALLOWED, name) ? (ALLOWED[name] ?? null) : null);

export interface OffsiteEnvironment {
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
}

/**
 * The file `offsite/<name>/environment`: lines `NAME=VALUE`, empty ones, and ones that begin with `#`. A value is everything behind the first `=`: no quotes, no
 * expansion. Null: there is no file. Throws `CONFIG_INVALID` with the number of the line, and never what stands in it.
 */
export function offsiteEnvironment(text: string | null, file: string): OffsiteEnvironment {
  const env: Record<string, string> = {};
  const secrets: string[] = [];
  for (const [index, line] of (text ?? '').split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const refused = (problem: string): ModosuError =>
      new ModosuError('CONFIG_INVALID', `Line ${index + 1} of ${file} ${problem}.`, {
        hint: `Lines are NAME=VALUE, with one of the names ${Object.keys(ALLOWED).join(', ')}.`,
        context: { file, line: index + 1 },
      });
    const [, name, value] = /^([A-Z_][A-Z0-9_]*)=(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) throw refused('is not NAME=VALUE');
    const sort = offsiteVariableSort(name);
    if (sort === null) throw refused(`names ${quoted(name, 60)}, which is not given to restic`);
    if (name in env) throw refused(`names ${name} a second time`);
    if (value === '' || value.includes('\u0000')) throw refused(`gives ${name} no value that can be used`);
    if (PATHS.has(name) && !value.startsWith('/')) throw refused(`gives ${name} no absolute path`);
    env[name] = value;
    if (sort !== 'open') secrets.push(value);
  }
  return { env, secrets };
}

/**
 * What restic needs to reach a location with these credentials: its environment, RESTIC_REPOSITORY included, and what of it must not be shown. A login of a REST
 * server stands in its address: only newer versions of restic read it from the environment. Throws `CONFIG_INVALID`.
 */
export function offsiteAccess({ kind, repository }: OffsiteLocation, text: string | null, file: string): OffsiteEnvironment {
  const { env, secrets } = offsiteEnvironment(text, file);
  const { RESTIC_REST_USERNAME: user, RESTIC_REST_PASSWORD: login, ...others } = env;
  const isWithLogin = kind === 'rest' && user !== undefined;
  const address = isWithLogin ? repository.replace('://', `://${encodeURIComponent(user)}:${encodeURIComponent(login ?? '')}@`) : repository;
  return { env: { ...others, RESTIC_REPOSITORY: address }, secrets };
}
