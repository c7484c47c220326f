import { quoted } from '../contracts/text';
import { probeFailed, probeInvalid } from './transport';

/** A string or a number of JSON that is valid; what stands in a string is never taken for a number. */
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/**
 * The value of a JSON document at a pointer (RFC 6901): a text as it is, a number digit for digit as it was written (a position in a log may be larger than
 * what a `number` holds exactly), `true` or `false`; of an array of such values each on a line. Pure.
 *
 * Throws `PROBE_INVALID` for what is no pointer, `PROBE_FAILED` for what is no JSON, for a place that is not there, and for null, objects, and arrays of
 * others or of texts that have lines.
 */
export function valueAt(document: string, pointer: string): string {
  const names = namesOf(pointer);
  let value = parse(document);
  for (const name of names) {
    const isThere = typeof value === 'object' && value !== null && (!Array.isArray(value) || /^(?:0|[1-9]\d{0,9})$/.test(name)) && Object.hasOwn(value, name);
    if (!isThere) throw probeFailed(`The document has nothing at ${quoted(pointer)}`);
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  const single = textOf(value);
  if (single !== null) return single;
  const lines = Array.isArray(value) ? value.map(textOf) : [null];
  if (lines.some((line) => line === null || /[\r\n]/.test(line))) throw probeFailed(`What the document has at ${quoted(pointer)} is no single value`);
  return lines.join('\n');
}

function namesOf(pointer: string): readonly string[] {
  if (pointer === '') return [];
  if (!pointer.startsWith('/') || /~(?![01])/.test(pointer)) throw probeInvalid(`${quoted(pointer)} is no JSON pointer (RFC 6901), such as /members/0/name.`);
  return pointer
    .slice(1)
    .split('/')
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** Numbers are texts in what comes back. */
function parse(document: string): unknown {
  try {
    JSON.parse(document);
    return JSON.parse(document.replace(STRING_OR_NUMBER, (token) => (token.startsWith('"') ? token : `"${token}"`)));
  } catch (error) {
    throw probeFailed('The answer is no JSON', '', error);
  }
}

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : typeof value === 'boolean' ? String(value) : null);
