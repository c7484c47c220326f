import { isIPv6 } from 'node:net';
import type { MarkerSpec, ProbeSpec } from '../contracts/profile';
import { isOneLine, quoted } from '../contracts/text';
import { probeInvalid } from './transport';

/** Of `${NAME}`: parameters of the relation, `server`, `peer`, `address`. */
export type ProbeValues = Readonly<Record<string, string>>;

/** `before`: what stands in front of it, as it was declared. */
type Place = (value: string, name: string, before: string) => string;

const NAME = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;
/** No quote, backslash, semicolon, bracket or dollar: nothing that ends a literal or begins something else, in any dialect. */
const IN_A_QUERY = /^[\p{L}\p{M}\p{N} _.:,@/+-]*$/u;

/**
 * The same marker with values in the place of every `${NAME}` of its probe. Pure, and never recursive: what a value holds is not looked at again. A `$` without
 * a brace stands for itself.
 *
 * A value stays what it was put in for: in an argument vector it is part of its argument and never an option of its own; in a query it has only letters, digits,
 * blanks and `_ . : , @ / + -`; in a URL it is one part, encoded, unless the URL begins with it; in a pointer it is one name.
 *
 * Throws `PROBE_INVALID` for a name that has no value, for `${` that is no such name, and for a value that cannot stand where it should, or is not one line.
 */
export function fillIn(spec: MarkerSpec, values: ProbeValues): MarkerSpec {
  return { ...spec, probe: probeWith(spec.probe, (text, place) => fill(text, values, place)) };
}

function probeWith(probe: ProbeSpec, put: (text: string, place: Place) => string): ProbeSpec {
  switch (probe.kind) {
    case 'command': {
      const [program, ...args] = probe.argv;
      const argv = [put(program, asArgument), ...args.map((arg) => put(arg, asArgument))] as const;
      const [user, prefix] = [probe.user, probe.prefix];
      return {
        ...probe,
        argv,
        ...(user === undefined ? {} : { user: put(user, asArgument) }),
        ...(prefix === undefined ? {} : { prefix: put(prefix, asText) }),
      };
    }
    case 'sql':
      return {
        ...probe,
        database: put(probe.database, asArgument),
        user: put(probe.user, asArgument),
        ...(probe.port === undefined ? {} : { port: put(probe.port, asText) }),
        query: put(probe.query, inQuery),
      };
    case 'dns':
      return { ...probe, name: put(probe.name, asText), ...(probe.port === undefined ? {} : { port: put(probe.port, asText) }) };
    case 'http':
      return { ...probe, url: put(probe.url, inUrl), ...(probe.pointer === undefined ? {} : { pointer: put(probe.pointer, inPointer) }) };
    case 'tcp':
      return { ...probe, port: put(probe.port, asText) };
    case 'fact':
      return probe;
  }
}

function fill(text: string, values: ProbeValues, place: Place): string {
  let filled = '';
  let at = 0;
  for (let open = text.indexOf('${'); open !== -1; open = text.indexOf('${', at)) {
    const close = text.indexOf('}', open);
    const name = close === -1 ? '' : text.slice(open + 2, close);
    if (!NAME.test(name)) throw probeInvalid(`${quoted(text)} has a "\${" that no name and no brace follow.`);
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) throw probeInvalid(`${quoted(text)} names \${${name}}, and there is no such parameter.`, name);
    if (!isOneLine(value)) throw probeInvalid(`The value of ${name} is not one line.`, name);
    filled += text.slice(at, open) + place(value, name, text.slice(0, open));
    at = close + 1;
  }
  return filled + text.slice(at);
}

const asText: Place = (value) => value;

const asArgument: Place = (value, name, before) => {
  if (before === '' && value.startsWith('-')) throw probeInvalid(`The value of ${name} (${quoted(value)}) would be an option of the program.`, name);
  return value;
};

const inQuery: Place = (value, name) => {
  if (!IN_A_QUERY.test(value) || value.includes('--')) {
    throw probeInvalid(`The value of ${name} (${quoted(value)}) cannot stand in a query: of signs it may have only _ . : , @ / + and single -.`, name);
  }
  return value;
};

const inUrl: Place = (value, _name, before) => {
  if (before === '') return value;
  if (isIPv6(value)) return before.endsWith('//') ? `[${value}]` : encodeURIComponent(value);
  // Host and port are often one value.
  return encodeURIComponent(value).replaceAll('%3A', ':');
};

const inPointer: Place = (value) => value.replaceAll('~', '~0').replaceAll('/', '~1');
