import { ModosuError } from '../contracts/errors';
import { isOneLine, quoted } from '../contracts/text';

const MOST_CHARACTERS = 500;

/** The parts of a path in a secret store. Throws `PATH_NOT_ALLOWED` for one that could lead anywhere else than it says. */
export function secretPathParts(path: string): readonly string[] {
  const parts = path.split('/');
  const isPlain = path.length <= MOST_CHARACTERS && isOneLine(path) && parts.every((part) => part !== '' && part !== '.' && part !== '..');
  if (isPlain) return parts;
  throw new ModosuError('PATH_NOT_ALLOWED', `The path ${quoted(path)} in a secret store is not made of plain parts separated by "/".`, {
    hint: `Write it as the store lists it, without the mount: servers/db01. No "/" at its ends, no "." and no ".." as a part, at most ${MOST_CHARACTERS} characters.`,
  });
}
