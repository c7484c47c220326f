import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ModosuError } from '../../contracts/errors';
import { PART_NAME_PATTERN } from '../../contracts/names';
import { offsiteLocation } from '../../contracts/offsite';
import { REPORT_FORMATS, type ReportFormat } from '../doctor/report';
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

export interface OptionGroups {
  /** Of commands that look for copies. */
  readonly isPlaceNeeded?: boolean;
  readonly isComparison?: boolean;
  readonly ofRebuild?: boolean;
}

/** Throws `USAGE`, `OFFSITE_LOCATION_INVALID`. */
export function catalogOptions(args: readonly string[], { isPlaceNeeded = false, isComparison = false, ofRebuild = false }: OptionGroups): CatalogOptions {
  const places = {
    repository: { type: 'string', multiple: true },
    offsite: { type: 'string', multiple: true },
    'offsite-environment': { type: 'string' },
    'key-file': { type: 'string' },
  } as const;
  const comparing = { 'dry-run': { type: 'boolean' }, hypervisor: { type: 'string' } } as const;
  const more = { ...comparing, copy: { type: 'string' }, 'without-copy': { type: 'boolean' } } as const;
  let values: Record<string, string | boolean | string[] | undefined>;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        output: { type: 'string', short: 'o', default: 'table' },
        ...(isPlaceNeeded ? places : {}),
        ...(isComparison ? comparing : {}),
        ...(ofRebuild ? more : {}),
      },
      allowPositionals: false,
    }) as { values: typeof values });
  } catch (error) {
    throw usage(`cannot read what it was told: ${(error as Error).message}`);
  }
  const output = REPORT_FORMATS.find((known) => known === values['output']);
  if (output === undefined) throw usage(`knows no form "${String(values['output'])}"`, `Use --output ${REPORT_FORMATS.join('|')}.`);
  const text = (name: string): string | null => (values[name] as string | undefined) ?? null;
  const texts = (name: string): readonly string[] => (values[name] as string[] | undefined) ?? [];
  const repository = texts('repository').map(imagePlace);
  const offsite = texts('offsite').map((location) => ({ location: offsiteLocation(location) }));
  const withoutCopy = values['without-copy'] === true;
  if (isPlaceNeeded && repository.length + offsite.length === 0) {
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
    dryRun: values['dry-run'] === true,
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
