import { unquoted } from './store-secrets';

/** What was found in a file. */
export interface FoundSecrets {
  /** Hidden however short they are. */
  readonly sure: readonly string[];
  /** Hidden where they are long enough to be no word like any other. */
  readonly guessed: readonly string[];
}

/** Of a text of which nothing is known: each line, each word, what follows a login's name or the name of a variable. */
export function guessedIn(text: string): readonly string[] {
  const lines = text.split('\n').map((line) => line.trim());
  const words = text.match(/[^\s"',]+/g) ?? [];
  const behind = [...lines, ...words].map((word) => word.slice(word.indexOf('=') + 1).trim());
  return [...lines, ...words, ...words.map((word) => word.slice(word.indexOf(':') + 1)), ...behind, ...behind.map(unquoted)];
}
