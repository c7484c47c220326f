import { CATALOG, DOCTOR } from '../cli/role-commands';
import { readArguments } from './arguments';
import { commandLine } from './command-line';

describe('which command it is', () => {
  it.each<[readonly string[], string | undefined, readonly string[]]>([
    [['doctor'], 'doctor', []],
    [['doctor', '-o', 'json'], 'doctor', ['-o', 'json']],
    [['-o', 'json', 'doctor'], 'doctor', ['-o', 'json']],
    [['-ojson', 'doctor'], 'doctor', ['-ojson']],
    [['--output', 'yaml', 'support-bundle', '-f', 'x'], 'support-bundle', ['--output', 'yaml', '-f', 'x']],
    [['--output=json', 'catalog', 'copies', '--repository', '/r'], 'catalog', ['copies', '--output=json', '--repository', '/r']],
    [['catalog', '-o', 'json', 'compare', '--dry-run'], 'catalog', ['compare', '-o', 'json', '--dry-run']],
    [['-o', 'yaml', 'data-repository', '-o', 'json', 'renew', '--all'], 'data-repository', ['renew', '-o', 'yaml', '-o', 'json', '--all']],
    [['-o', 'json', 'run', 'list'], 'run', ['-o', 'json', 'list']],
    [['catalog'], 'catalog', []],
    [['-o'], undefined, ['-o']],
    [[], undefined, []],
    [['--version'], '--version', []],
    [['--help', 'doctor'], '--help', ['doctor']],
  ])('%j', (argv, command, rest) => expect(commandLine(argv)).toEqual({ command, rest }));

  it('what a role is told so it reads, and the last word counts', () => {
    expect(readArguments(DOCTOR, commandLine(['-o', 'json', 'doctor']).rest).output).toBe('json');
    expect(readArguments(DOCTOR, commandLine(['-o', 'json', 'doctor', '-o', 'yaml']).rest).output).toBe('yaml');
    expect(readArguments(CATALOG.key, commandLine(['catalog', '--output', 'json', 'key']).rest.slice(1)).output).toBe('json');
  });
});
