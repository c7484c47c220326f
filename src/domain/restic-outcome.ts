import { redact } from '../contracts/redact';

/**
 * What an end of restic means, for those who run it here and for those who run it in a guest.
 *
 * restic 0.14 says exit code 1 (or 2) for nearly everything and 3 for a backup that could not read all; from 0.17 on 10, 11 and 12 tell more. Texts were
 * taken from restic 0.14.0 with `rclone serve restic`
 * 1.60. File names in them come from guests: whatever they say, they can turn one failure into another, and never a failure into a success.
 */
export type ResticOutcome =
  | 'ok'
  /** A snapshot was written, and something that should be in it could not be read. */
  | 'partial'
  | 'locked'
  /** The password, or the login at the repository's server. */
  | 'wrong-password'
  | 'no-repository'
  /** The server did not answer, or answered with an error of its own: may pass by itself. */
  | 'unreachable'
  | 'no-space'
  /** Stored bytes are missing, or are not what was written. */
  | 'damaged'
  /** The same of what belongs to no snapshot (config, keys, index): says nothing about a single recovery point. */
  | 'repository-damaged'
  /** The storage lets nothing be removed. */
  | 'removal-refused'
  | 'failed';

export interface ResticEnd {
  /** Such as `0.14.0`; null: not known, then only codes that all versions share count. */
  readonly version: string | null;
  /** Null: it was ended by a signal. */
  readonly exitCode: number | null;
  readonly stderr: string;
}

export const LEAST_RESTIC_VERSION = '0.14.0';
const EXIT_CODES_SINCE = '0.17.0';
const EXIT_CODES: Readonly<Record<number, ResticOutcome>> = { 10: 'no-repository', 11: 'locked', 12: 'wrong-password' };

/**
 * restic tries again for most of a minute, and `prune` then calls it a success. Not of locks: whoever cannot remove one has only left it behind.
 */
export const REMOVAL_REFUSED =
  /^Remove\(<(?:snapshot|data|index|key)\/[0-9a-f]+>\) returned error,.*(?:\b40[35]\b|not permitted|permission denied|access ?denied|read-only file system|object lock|WORM|retention)/im;

export const NO_SPACE = /\bno space left on device\b|\bdisk quota exceeded\b|\b507 Insufficient Storage\b/i;
/** As restic tells with `--json` what kept a file from being saved: ENOSPC or EDQUOT by its number. What comes from a guest cannot begin a line so. */
export const NO_SPACE_AS_JSON = /^\{"message_type":"error","error":\{"Op":"[a-z]+","Path":"[^"]*","Err":(?:28|122)\}/m;

/** In this order: several may be in one text, and "Is there a repository at the following location?" follows whatever kept the first file from being read. */
const TEXTS: readonly (readonly [outcome: ResticOutcome, pattern: RegExp])[] = [
  ['locked', /\bunable to create lock in backend: repository is already locked\b|^repository is already locked\b/m],
  ['wrong-password', /^Fatal: wrong password or no key found\b/m],
  // Only where a repository is opened or made: a server that is full refuses the second attempt to save a file with 403 too.
  ['wrong-password', /^Fatal: (?:unable to open config file|create repository at) ?.*(?:unexpected HTTP response|server response unexpected)\W+(?:401|403)\b/m],
  ['removal-refused', REMOVAL_REFUSED],
  ['no-space', NO_SPACE],
  ['no-space', NO_SPACE_AS_JSON],
  [
    'repository-damaged',
    /\bconfig or key [0-9a-f<>/]+ is damaged\b|\bfailed: Unmarshal\b|^Fatal: Unmarshal\b|<(?:index|key)\/[0-9a-f]+>(?: does not exist|: invalid data returned)/m,
  ],
  [
    'damaged',
    /\bciphertext verification failed\b|\binvalid data returned\b|\bis damaged\b|\bwrong hash\b|\bhash mismatch\b|\bdoes not match id\b|^Pack ID does not match\b/im,
  ],
  [
    'damaged',
    /<(?:data|snapshot)\/[0-9a-f]+> does not exist|\bpack [0-9a-f]+: does not exist\b|\b(?:blob|tree|pack) [0-9a-f<>/]+ not found\b|\bnot found in (?:the )?(?:index|repository)\b/m,
  ],
  [
    'no-repository',
    /<config\/?> does not exist\b|\brepository does not exist\b|^Fatal: unable to open config file: .*(?:no such file or directory|file does not exist|specified key does not exist)/im,
  ],
  [
    'unreachable',
    /\bdial tcp\b|\bconnection (?:refused|reset)\b|\bno such host\b|\bi\/o timeout\b|\bbroken pipe\b|\bno route to host\b|\bnetwork is unreachable\b|\bx509: |\btls: |\bTLS handshake\b|\bHTTP response to HTTPS client\b|\bunexpected EOF\b|": EOF\b|\bClient\.Timeout\b|\bcontext deadline exceeded\b|\b(?:unexpected HTTP response|server response unexpected)\W+5\d\d\b/,
  ],
  // `restic check`, when nothing above says why.
  ['damaged', /\brepository contains errors\b/],
];

export function resticOutcome({ version, exitCode, stderr }: ResticEnd): ResticOutcome {
  if (exitCode === 0) return 'ok';
  if (exitCode === 3) return NO_SPACE_AS_JSON.test(stderr) ? 'no-space' : 'partial';
  const byCode = exitCode !== null && version !== null && isAtLeast(version, EXIT_CODES_SINCE) ? EXIT_CODES[exitCode] : undefined;
  if (byCode !== undefined) return byCode;
  return TEXTS.find(([, pattern]) => pattern.test(stderr))?.[0] ?? 'failed';
}

/** The version in what `restic version` prints; null for anything else. */
export const resticVersion = (output: string): string | null => /^restic (\d{1,5}\.\d{1,5}\.\d{1,5})\b/.exec(output)?.[1] ?? null;

export const isResticSupported = (version: string): boolean => isAtLeast(version, LEAST_RESTIC_VERSION);

function isAtLeast(version: string, least: string): boolean {
  const [have, need] = [version, least].map((text) => text.split('.').map(Number));
  for (let part = 0; part < 3; part += 1) {
    const difference = (have?.[part] ?? 0) - (need?.[part] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

const MOST_WORDS = 600;

/**
 * restic's own words for people: one line, without secrets, stack traces and control characters. The beginning says what happened first, so that is what is
 * kept of a long text.
 */
export function resticWords(stderr: string, secrets: readonly string[]): string {
  const lines = redact(stderr, secrets)
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^(?:\t|[\w.-]+(?:\/[\w.*()-]+)+\.[\w.*()[\]]+$|main\.|runtime\.)/.test(line))
    .map((line) => line.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim());
  const text = [...new Set(lines)].join('; ');
  return text.length > MOST_WORDS ? `${text.slice(0, MOST_WORDS)} …` : text;
}
