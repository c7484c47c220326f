import { parseArgs } from 'node:util';
import type { RoleCommand } from '../cli/role-commands';
import { ModosuError } from '../contracts/errors';
import { REPORT_FORMATS, type ReportFormat } from './doctor/report';

/** What was said after the words of a role. */
export interface Said<Name extends string> {
  readonly output: ReportFormat;
  /** Null: it was not said. */
  readonly text: (name: Name) => string | null;
  /** Of an option that may be repeated. */
  readonly texts: (name: Name) => readonly string[];
  readonly has: (name: Name) => boolean;
}

/** Knows the options that the command declares, and no others. Throws `USAGE`. */
export function readArguments<Name extends string>({ path, options, givesData }: RoleCommand<Name>, args: readonly string[]): Said<Name> {
  const refused = (problem: string): ModosuError => new ModosuError('USAGE', `\`modosu ${path}\`: it ${problem}.`, { hint: `See \`modosu ${path} --help\`.` });
  let values: Readonly<Record<string, unknown>>;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        ...Object.fromEntries(
          Object.entries<RoleCommand['options'][string]>(options).map(([name, { short, value, isRepeated }]) => [
            name,
            { type: value === undefined ? 'boolean' : 'string', multiple: isRepeated === true, ...(short === undefined ? {} : { short }) } as const,
          ]),
        ),
        ...(givesData ? ({ output: { type: 'string', short: 'o' } } as const) : {}),
      },
      allowPositionals: false,
    }));
  } catch (error) {
    throw refused(`cannot read what it was told: ${(error as Error).message}`);
  }
  const form = values['output'] ?? 'table';
  const output = REPORT_FORMATS.find((known) => known === form);
  if (output === undefined) throw refused(`knows no form "${String(form)}", only ${REPORT_FORMATS.join(', ')}`);
  return {
    output,
    text: (name) => (values[name] as string | undefined) ?? null,
    texts: (name) => (values[name] as readonly string[] | undefined) ?? [],
    has: (name) => values[name] === true,
  };
}
