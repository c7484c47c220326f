import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import { CATALOG, type RoleCommand } from '../../cli/role-commands';
import { ModosuError } from '../../contracts/errors';
import { PART_NAME_PATTERN } from '../../contracts/names';
import { offsiteLocation } from '../../contracts/offsite';
import { readArguments } from '../arguments';
import type { ReportFormat } from '../doctor/report';
import type { ImagePlace, OffsiteGround } from './rebuild';

const USES = [
  '`modosu catalog key`',
  '`modosu catalog copy`',
  '`modosu catalog compare [--dry-run]`',
  '`modosu catalog copies --repository DIRECTORY`',
  '`modosu catalog rebuild --repository DIRECTORY --key-file FILE`',
  '`modosu catalog rebuild --offsite LOCATION --key-file FILE`',
];

export const usage = (problem: string, hint = `Use ${USES.slice(0, -1).join(', ')} or ${USES.at(-1) ?? ''}.`): ModosuError =>
  new ModosuError('USAGE', `\`modosu catalog\`: it ${problem}.`, { hint });

/** What was said on the command line of `modosu catalog`. */
export interface CatalogOptions {
  readonly output: ReportFormat;
  readonly repository: readonly ImagePlace[];
  readonly offsite: readonly Pick<OffsiteGround, 'location'>[];
  /** Of the credentials of off-site repositories. */
  readonly offsiteEnvironment: string | null;
  readonly keyFile: string | null;
  readonly copy: string | null;
  readonly withoutCopy: boolean;
  readonly dryRun: boolean;
  readonly hypervisor: string | null;
}

/** Throws `USAGE`, `OFFSITE_LOCATION_INVALID`. */
export function catalogOptions(name: keyof typeof CATALOG, args: readonly string[]): CatalogOptions {
  const command: RoleCommand = CATALOG[name];
  const { output, text, texts, has } = readArguments(command, args);
  const repository = texts('repository').map(imagePlace);
  const offsite = texts('offsite').map((location) => ({ location: offsiteLocation(location) }));
  const withoutCopy = has('without-copy');
  if ('repository' in command.options && repository.length + offsite.length === 0) {
    throw usage('was not told where a repository lies', 'Use --repository DIRECTORY, or --offsite LOCATION, several times for several.');
  }
  if (withoutCopy && (text('copy') !== null || text('key-file') !== null)) throw usage('cannot use a copy, or a key, and go without');
  if (withoutCopy && offsite.length > 0) {
    throw usage('cannot read an off-site repository without a copy of the catalogue: its password lies in there', 'Use --repository DIRECTORY.');
  }
  if (text('offsite-environment') !== null && offsite.length === 0) throw usage('has credentials, and no off-site repository', 'Add --offsite LOCATION.');
  return {
    output,
    repository,
    offsite,
    offsiteEnvironment: text('offsite-environment'),
    keyFile: text('key-file'),
    copy: text('copy'),
    withoutCopy,
    dryRun: has('dry-run'),
    hypervisor: text('hypervisor'),
  };
}

function imagePlace(value: string): ImagePlace {
  const [, name, path] = /^([A-Za-z0-9][A-Za-z0-9._-]*)=(.+)$/.exec(value) ?? [null, null, value];
  if (name !== null && name !== undefined && !PART_NAME_PATTERN.test(name)) throw usage(`cannot take "${name}" for the name of a repository`);
  if (!isAbsolute(path ?? '')) throw usage(`needs absolute paths, not "${value}"`, 'Use --repository /path/of/the/repository.');
  return { name: name ?? null, path: resolve(path ?? '') };
}

const MOST_FILE_BYTES = 64 * 1024;
const RECOVERY_KEY_PATTERN = /^[A-Za-z0-9_-]{16,256}$/;

/** Throws `USAGE` for a file that cannot be read, `RECOVERY_KEY_WRONG` for one that holds something else. */
export async function readKeyFile(file: string): Promise<string> {
  const key = (await textOf(file, 'of the recovery key')).trim();
  if (RECOVERY_KEY_PATTERN.test(key)) return key;
  throw new ModosuError('RECOVERY_KEY_WRONG', `${file} holds no recovery key: it is one line, as \`modosu catalog key\` has printed it.`);
}

/** Of the credentials of off-site repositories, as `offsite/<name>/environment` holds them. Throws `USAGE`. */
export async function readEnvironmentFile(file: string | null): Promise<OffsiteGround['environment']> {
  return file === null ? { text: null, file: 'nowhere' } : { text: await textOf(file, 'of the credentials'), file };
}

async function textOf(file: string, what: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size <= MOST_FILE_BYTES) return await readFile(file, 'utf8');
  } catch (error) {
    throw new ModosuError('USAGE', `The file ${what}, ${file}, cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}).`);
  }
  throw new ModosuError('USAGE', `The file ${what}, ${file}, is larger than such a file is.`);
}
