import { ModosuError } from '../../contracts/errors';
import { quoted } from '../../contracts/text';
import { secretPathParts } from '../secret-path';

const PART = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

/**
 * The variable in which the secret of a path stands: `servers/db-01` with the prefix `MODOSU_CREDENTIAL_` is `MODOSU_CREDENTIAL_SERVERS__DB_01`. No two paths
 * have the same one: otherwise a server would be given the password of another. Throws `PATH_NOT_ALLOWED` for paths that have none.
 */
export function variableName(prefix: string, path: string): string {
  const parts = secretPathParts(path);
  // `…_FILE` names the file of another path's value.
  if (!parts.every((part) => PART.test(part)) || path.endsWith('-file')) {
    throw new ModosuError('PATH_NOT_ALLOWED', `The path ${quoted(path)} cannot be the name of an environment variable.`, {
      hint: 'In a store of kind "environment" parts of a path are lower-case letters and digits, with single "-" between them; it does not end with "-file".',
    });
  }
  return `${prefix}${parts.join('__').replaceAll('-', '_').toUpperCase()}`;
}
