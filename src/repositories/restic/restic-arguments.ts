import { ModosuError } from '../../contracts/errors';
import { isId } from '../../contracts/ids';
import { hasControlCharacters, quoted } from '../../contracts/text';

/** What goes into arguments of restic, and into addresses of its repositories. */

/** Of one command, far below what Linux takes. */
const MOST_ARGUMENT_BYTES = 64 * 1024;

export function requireServerId(serverId: string): string {
  if (isId('srv', serverId)) return serverId;
  throw new ModosuError('PATH_NOT_ALLOWED', `${quoted(serverId)} is not the id of a server`);
}

export function requireRecoveryPointId(id: string): string {
  if (isId('rp', id)) return id;
  throw new ModosuError('PATH_NOT_ALLOWED', `${quoted(id)} is not the id of a recovery point`);
}

export function requireSnapshotId(id: string): string {
  if (/^[0-9a-f]{64}$/.test(id)) return id;
  throw new ModosuError('REQUEST_INVALID', `${quoted(id)} is not restic's full id of a snapshot`);
}

/** Commas separate tags. */
export function requireTag(tag: string): string {
  if (/^[^,]{1,200}$/s.test(tag) && !hasControlCharacters(tag)) return tag;
  throw new ModosuError('REQUEST_INVALID', `${quoted(tag)} cannot be a tag`);
}

export function requirePath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '');
  if (path.startsWith('/') && !path.includes('\u0000') && !parts.includes('..') && !parts.includes('.')) return `/${parts.join('/')}`;
  throw new ModosuError('PATH_NOT_ALLOWED', `${quoted(path, 200)} is not an absolute path without ".."`);
}

/** As many as fit into one command. */
export function inPortions(paths: readonly string[]): readonly (readonly string[])[] {
  const portions: string[][] = [];
  let bytes = Infinity;
  for (const path of paths) {
    bytes += Buffer.byteLength(path) + 1;
    if (bytes > MOST_ARGUMENT_BYTES) {
      portions.push([]);
      bytes = Buffer.byteLength(path) + 1;
    }
    portions.at(-1)?.push(path);
  }
  return portions;
}
