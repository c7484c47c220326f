import { isSecretPath, SECRET_PATH_RULE } from '../contracts/credential';
import { ModosuError } from '../contracts/errors';
import { quoted } from '../contracts/text';

/** The parts of a path in a secret store. Throws `PATH_NOT_ALLOWED` for one that could lead anywhere else than it says. */
export function secretPathParts(path: string): readonly string[] {
  if (isSecretPath(path)) return path.split('/');
  throw new ModosuError('PATH_NOT_ALLOWED', `The path ${quoted(path)} in a secret store is not made of plain parts separated by "/".`, {
    hint: `Write it as the store lists it, without the mount: servers/db01. ${SECRET_PATH_RULE}`,
  });
}
