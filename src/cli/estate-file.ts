import { estateSchema, type Estate } from '../contracts/api/estate';
import { parseYamlFile } from '../contracts/api/yaml-file';

/** Ten thousand servers fit. */
export const MAX_ESTATE_BYTES = 2 * 1024 * 1024;

/** An estate file's content, checked. Throws `ESTATE_INVALID`; each line of its `errors` says file, line, column, path and what is wrong. */
export const parseEstateFile = (name: string, content: Uint8Array): Estate =>
  parseYamlFile(name, content, { schema: estateSchema, code: 'ESTATE_INVALID', maxBytes: MAX_ESTATE_BYTES });
