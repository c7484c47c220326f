import { readFile } from 'node:fs/promises';
import { ModosuError } from '../contracts/errors';
import { errorMessage } from '../system/files';

/** The environment with what a file of variables adds to it (see `readEnvFile`). What is set already stays. */
export async function withEnvFile(env: NodeJS.ProcessEnv, path: string | null): Promise<NodeJS.ProcessEnv> {
  return path === null ? env : withVariables(env, await readEnvFile(path));
}

/** The same with what was read of it. */
export const withVariables = (env: NodeJS.ProcessEnv, ofFile: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...ofFile,
  ...Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== '')),
});

/**
 * Variables from a file in the form of systemd's `EnvironmentFile`: `NAME=VALUE` a line, quotes around a value taken off, lines that begin with `#` or `;` are
 * comments. A value is taken as it stands, with `#` and blanks inside: half a secret would hide nothing. Throws `CONFIG_INVALID`, without any value, for a file
 * that cannot be read and for a line that systemd would read otherwise.
 */
export async function readEnvFile(path: string): Promise<NodeJS.ProcessEnv> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new ModosuError('CONFIG_INVALID', `The file of variables ${path} cannot be read: ${errorMessage(error)}`, {
      hint: 'Correct the path after --variables.',
    });
  }
  return Object.fromEntries(text.split('\n').flatMap((line, index) => variableIn(line.trim(), () => invalid(path, index + 1))));
}

function variableIn(line: string, refused: () => ModosuError): readonly (readonly [string, string])[] {
  if (line === '' || line.startsWith('#') || line.startsWith(';')) return [];
  const [, name, value = ''] = /^([A-Za-z_]\w*)=\s*(.*)$/.exec(line) ?? [];
  if (name === undefined || value.includes('\\')) throw refused();
  const [, quote, inside = ''] = /^(["'])(.*)\1$/.exec(value) ?? [];
  if (quote === undefined) {
    if (/["']/.test(value)) throw refused();
    return [[name, value]];
  }
  if (inside.includes(quote)) throw refused();
  return [[name, inside]];
}

const invalid = (path: string, line: number): ModosuError =>
  new ModosuError(
    'CONFIG_INVALID',
    `Line ${line} of ${path} is not of the form NAME=VALUE, with quotes around the whole value or none, and without backslashes.`,
    {
      hint: `Or let the shell read it: \`set -a; . ${path}\`, then the command without --variables.`,
      context: { path, line },
    },
  );
