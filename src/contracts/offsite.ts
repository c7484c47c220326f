import { ModosuError } from './errors';
import { hasControlCharacters, quoted } from './text';

/** `removable`: absent by design (a disk that is taken away); that it is not there is no fault. */
export const OFFSITE_MEDIA = ['fixed', 'removable'] as const;
export type OffsiteMedia = (typeof OFFSITE_MEDIA)[number];

export const OFFSITE_LOCATION_KINDS = ['directory', 'sftp', 's3', 'rest', 'rclone'] as const;
export type OffsiteLocationKind = (typeof OFFSITE_LOCATION_KINDS)[number];

export interface OffsiteLocation {
  readonly kind: OffsiteLocationKind;
  /** Value of RESTIC_REPOSITORY, as it was written. Holds no secret. */
  readonly repository: string;
}

const HOST = String.raw`(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:]{2,45}\])`;
const USER = '[A-Za-z0-9_][A-Za-z0-9._-]{0,63}';
const PORT = '(?::[0-9]{1,5})?';
/** Of directories, buckets and objects: nothing that a shell, a URL or an option would read otherwise. */
const PART = '[A-Za-z0-9_@+=,~.:-]+';

/**
 * What each kind looks like. restic gives host and user of `sftp:` to ssh, and what follows `rclone:` to rclone, as arguments: none may begin with "-". A colon
 * in the authority of an address would begin a password.
 */
const FORMS: Readonly<Record<Exclude<OffsiteLocationKind, 'directory'>, RegExp>> = {
  sftp: new RegExp(String.raw`^sftp:(?:(?:${USER}@)?${HOST}:/?(?![-/])[^:]+|//(?:${USER}@)?${HOST}${PORT}//?(?![-/])[^:]+)$`),
  s3: new RegExp(`^s3:(?:https?://)?${HOST}${PORT}/[a-z0-9][a-z0-9.-]{1,62}(?:/.*)?$`),
  rest: new RegExp(`^rest:https?://${HOST}${PORT}/.*$`),
  rclone: new RegExp(String.raw`^rclone:[A-Za-z0-9_][A-Za-z0-9_ .-]{0,62}:(?![-]).*$`),
};
const MOST_CHARACTERS = 1000;

/**
 * Where an off-site repository lies: an absolute directory, or `sftp:`, `s3:`, `rest:http(s)://` or `rclone:` as restic writes them. Says nothing about whether
 * it is there. Throws `OFFSITE_LOCATION_INVALID` for other schemes, for credentials in it (they belong into a file among the secrets), and for anything that
 * restic, ssh or rclone could take for an option.
 */
export function offsiteLocation(text: string): OffsiteLocation {
  const refused = (problem: string): ModosuError => new ModosuError('OFFSITE_LOCATION_INVALID', `The location ${shown(text)} ${problem}.`);
  if (text.length > MOST_CHARACTERS) throw refused(`has more than ${MOST_CHARACTERS} characters`);
  if (hasControlCharacters(text)) throw refused('has control characters');
  if (text.startsWith('/')) {
    const parts = text.split('/').slice(1);
    if (text === '/' || parts.some((part) => part === '' || part === '.' || part === '..')) throw refused('is not a plain absolute directory');
    return { kind: 'directory', repository: text };
  }
  const scheme = /^([a-z0-9]+):/.exec(text)?.[1] ?? '';
  const kind = OFFSITE_LOCATION_KINDS.find((known) => known !== 'directory' && known === scheme);
  if (kind === undefined || kind === 'directory') throw refused('is neither an absolute directory nor of a kind that is known here');
  if (/\/\/[^/@]*:[^/@]*@/.test(text) || (kind !== 'sftp' && /^[^/]*\/\/[^/]*@/.test(text))) throw refused('holds credentials');
  if (/[?#]/.test(text)) throw refused('holds "?" or "#"');
  const path = text.slice(text.indexOf(':') + 1);
  if (path.split(/[/:]/).some((part) => part.startsWith('-') || part === '..' || part === '.')) {
    throw refused('holds a part that begins with "-", or is "." or ".."');
  }
  if (!new RegExp(`^(?:${PART}|[/ \\[\\]])*$`).test(path)) throw refused('holds characters that no such place needs');
  if (!FORMS[kind].test(text)) throw refused(`is not what ${kind}: looks like`);
  return { kind, repository: text };
}

/** The place `name` below a location, of the same kind. */
export function below({ kind, repository }: OffsiteLocation, name: string): OffsiteLocation {
  // `rclone:remote:` and `sftp:host:` name a beginning; a "/" after them would name another one.
  const isBeginning = kind !== 'directory' && /[:/]$/.test(repository);
  // An address of a REST server ends with a slash.
  return { kind, repository: `${repository}${isBeginning ? '' : '/'}${name}${kind === 'rest' ? '/' : ''}` };
}

/** Somebody may have written a password into it. */
const shown = (text: string): string => quoted(text.replace(/\/\/[^/]*@/g, '//…@'), 200);
