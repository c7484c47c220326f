import { CATALOG, MIGRATE, ROLE_COMMANDS, SUPPORT_BUNDLE } from '../cli/role-commands';
import { readArguments } from './arguments';

const OPTIONS = ROLE_COMMANDS.flatMap((command) =>
  Object.entries(command.options).map(([name, option]) => [`${command.path} --${name}`, command, name, option] as const),
);

describe('what is said to a role', () => {
  it.each(OPTIONS)('%s is read as it is declared', (_what, command, name, { value, isRepeated }) => {
    const said = readArguments(command, value === undefined ? [`--${name}`] : [`--${name}`, 'x']);
    if (value === undefined) expect(said.has(name)).toBe(true);
    else if (isRepeated === true) expect(said.texts(name)).toEqual(['x']);
    else expect(said.text(name)).toBe('x');
    expect(said.output).toBe('table');
  });

  it('is nothing where nothing was said', () => {
    const { text, texts, has } = readArguments(CATALOG.rebuild, []);
    expect([text('key-file'), texts('repository'), has('dry-run')]).toEqual([null, [], false]);
  });

  it('may be short, and several', () => {
    expect(readArguments(SUPPORT_BUNDLE, ['-f', 'x.tgz', '-o', 'json'])).toMatchObject({ output: 'json' });
    expect(readArguments(CATALOG.copies, ['--repository', '/a', '--repository=/b']).texts('repository')).toEqual(['/a', '/b']);
  });

  it.each([
    [CATALOG.rebuild, ['--repo', '/a']],
    [CATALOG.rebuild, ['--key-file']],
    [CATALOG.rebuild, ['/a']],
    [CATALOG.key, ['--dry-run']],
    [CATALOG.key, ['--output', 'toml']],
    // It gives no data.
    [MIGRATE, ['--output', 'json']],
  ] as const)('refused: %j %j', (command, args) => {
    expect(() => readArguments(command, args)).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(command.path) as string, hint: `See \`modosu ${command.path} --help\`.` }),
    );
  });
});
