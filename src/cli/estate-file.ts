import { estateSchema } from '../contracts/api/estate';
import type { Estate } from '../contracts/estate';
import { parseYamlFile, placeInYaml } from '../contracts/api/yaml-file';
import { isModosuError, ModosuError } from '../contracts/errors';

/** Ten thousand servers fit. */
export const MAX_ESTATE_BYTES = 2 * 1024 * 1024;

/** An estate file's content, checked. Throws `ESTATE_INVALID`; each line of its `errors` says file, line, column, path and what is wrong. */
export const parseEstateFile = (name: string, content: Uint8Array): Estate =>
  parseYamlFile(name, content, { schema: estateSchema, code: 'ESTATE_INVALID', maxBytes: MAX_ESTATE_BYTES });

const IN_THE_ESTATE = /^estate\.([^:]+): ([^]*)$/;

/** What the API says of fields of the estate, said of lines of its file instead. Anything else stays as it was thrown. */
export function placedInEstate(name: string, content: Uint8Array, thrown: unknown): unknown {
  const errors = isModosuError(thrown) ? thrown.context['errors'] : undefined;
  if (!isModosuError(thrown) || !Array.isArray(errors)) return thrown;
  const found = (errors as readonly string[]).map((text) => IN_THE_ESTATE.exec(text));
  if (found.some((match) => match === null)) return thrown;
  const placed = found.map((match) => `${placeInYaml(name, content, match?.[1] ?? '')}: ${match?.[1] ?? ''}: ${match?.[2] ?? ''}`);
  const count = placed.length === 1 ? 'one error' : `${placed.length} errors`;
  return new ModosuError(thrown.code, `${name} has ${count}.`, { hint: thrown.hint, context: { ...thrown.context, errors: placed }, cause: thrown });
}
