import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { shippedProfileDirectory } from '../../src/profiles/profile-directories';
import { directoryProfiles } from '../../src/profiles/directory-profile-source';
import { ApiHarness } from './api-harness';
import { cli } from './cli-harness';

const ESTATE_FILE = `hypervisors:
  - { name: local, kind: libvirt }
repositories:
  - { name: main, kind: directory, path: /srv/modosu }
servers:
  - { name: db01, hypervisor: local, repository: main }
  - { name: db02, hypervisor: local, repository: main }
relations:
  - name: pair
    type: replicates-with
    server: db01
    peers: [{ server: db02 }]
    profile: max-age
    parameters:
      hours: "24"
`;

/** Nobody answers there. */
const NO_SERVER = { MODOSU_API_URL: 'http://127.0.0.1:1' };

describe('modosu profile', () => {
  let api: ApiHarness;
  let own: string;

  beforeEach(async () => {
    api = await ApiHarness.start();
    for (const name of ['db01', 'db02']) await api.createServer(name);
    own = join(api.directory, 'profiles');
    await mkdir(own);
    api.profiles = directoryProfiles(own);
  });
  afterEach(async () => api.close());

  const put = async (name: string, text: string): Promise<string> => {
    const path = join(own, name);
    await writeFile(path, text);
    return path;
  };
  const shipped = (name: string): Promise<string> => readFile(join(shippedProfileDirectory(), `${name}.yaml`), 'utf8');
  const renamed = async (name: string): Promise<string> => (await shipped('max-age')).replace('name: max-age', `name: ${name}`);

  it('list: names, status, origin and parameters; those that need not be given stand in brackets', async () => {
    await put('own-age.yaml', await renamed('own-age'));
    const { code, stdout, stderr } = await cli(api, ['profile', 'list']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^NAME +STATUS +ORIGIN +PARAMETERS +TITLE$/m);
    expect(stdout).toMatch(/^max-age +proven +shipped +hours \[severity\] +A recovery point/m);
    expect(stdout).toMatch(/^own-age +proven +own +hours \[severity\] +A recovery point/m);
  });

  it('show: parameters, markers and rules, for people and for programs', async () => {
    const { stdout } = await cli(api, ['profile', 'show', 'postgresql-replication']);
    expect(stdout).toMatch(/^status +proven/m);
    expect(stdout).toMatch(/^database +postgres +Any database/m);
    expect(stdout).toMatch(/^in-recovery +boolean +each +yes +sql \(postgresql\) SELECT pg_is_in_recovery\(\)$/m);
    expect(stdout).toMatch(/^STANDBY_AHEAD +plan +block +"\$\{peer\}"/m);
    for (const [format, read] of [['json', (text: string): unknown => JSON.parse(text)] as const, ['yaml', (text: string): unknown => parse(text)] as const]) {
      const answer = await cli(api, ['profile', 'show', 'clock', '--output', format]);
      expect(read(answer.stdout)).toMatchObject({ origin: 'shipped', profile: { name: 'clock', status: 'proven' } });
    }
  });

  it('show: a name that was mistyped', async () => {
    expect(await cli(api, ['profile', 'show', 'clokc'])).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringMatching(
        /^error: PROFILE_NOT_FOUND: There is no profile "clokc"; is "clock" meant\?\nhint: {2}List them with `modosu profile list`/,
      ) as string,
    });
    expect(await cli(api, ['profile', 'show', '../x'])).toMatchObject({ code: 3 });
  });

  it('explain: what a rule says, and of which profile it is', async () => {
    await put('own-age.yaml', await renamed('own-age'));
    const { code, stdout, stderr } = await cli(api, ['explain', 'standby_ahead']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^code +STANDBY_AHEAD\n\nrule of +profile postgresql-replication, shipped with Modosu: `modosu profile show postgresql-replication`$/m,
    );
    expect(stdout).toMatch(/^severity +block\nwhat it says +"\$\{peer\}"/m);
    expect((await cli(api, ['explain', 'STANDBY_TO_REBUILD'])).stdout).toMatch(/^step +\S.* \((quarantine|live), by people\)$/m);
    const several = await cli(api, ['explain', 'RECOVERY_POINT_TOO_OLD', '--output', 'json']);
    expect(JSON.parse(several.stdout)).toMatchObject({
      code: 'RECOVERY_POINT_TOO_OLD',
      rules: [
        { profile: 'max-age', origin: 'shipped', severity: 'block' },
        { profile: 'own-age', origin: 'own', severity: 'block' },
      ],
    });
    expect(parse((await cli(api, ['explain', 'RECOVERY_POINT_TOO_OLD', '--output', 'yaml'])).stdout)).toEqual(JSON.parse(several.stdout));
  });

  it('explain: a code that nobody has, and one that cannot be looked for', async () => {
    expect(await cli(api, ['explain', 'NO_SUCH_CODE'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/^error: USAGE: There is no code "NO_SUCH_CODE": neither Modosu itself nor a rule of its \d+ profiles has it\./) as string,
    });
    await put('bad.yaml', (await renamed('bad')).replace('version: 1', 'version: 2'));
    expect(await cli(api, ['explain', 'NO_SUCH_CODE'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/^error: PROFILE_INVALID: Modosu itself has no code NO_SUCH_CODE[^]*bad\.yaml:2:10/) as string,
    });
  });

  it('explain: by the profiles that are shipped where others cannot be asked, and says so', async () => {
    expect(await cli(api, ['explain', 'STANDBY_AHEAD'], NO_SERVER)).toEqual({
      code: 0,
      stdout: (await cli(api, ['explain', 'STANDBY_AHEAD'])).stdout,
      stderr: expect.stringMatching(/^Only profiles that are shipped with this program were looked at\. API_UNREACHABLE: /) as string,
    });
    await put('bad.yaml', (await renamed('bad')).replace('version: 1', 'version: 2'));
    expect(await cli(api, ['explain', 'STANDBY_AHEAD'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('rule of') as string,
      stderr: expect.stringContaining('PROFILE_INVALID: ') as string,
    });
    expect(await cli(api, ['explain', 'NO_SUCH_CODE'], NO_SERVER)).toMatchObject({ code: 10, stdout: '' });
  });

  it('check: says file, line and column of every error, and asks no server', async () => {
    const [good, bad, other] = [
      await put('own-age.yaml', await renamed('own-age')),
      await put('bad.yaml', (await renamed('bad')).replace('version: 1', 'version: 2')),
      await put('key.yaml', (await renamed('key')).replace('parameter: hours', 'parameter: hour')),
    ];
    const { code, stdout, stderr } = await cli(api, ['profile', 'check', good, bad, other], NO_SERVER);
    expect(code).toBe(2);
    expect(stdout).toMatch(/own-age\.yaml +valid +own-age +-$/m);
    expect(stdout).toMatch(/bad\.yaml +wrong +- +1$/m);
    expect(stderr).toMatch(/^error: PROFILE_INVALID: 2 of 3 profiles are wrong\.$/m);
    expect(stderr).toMatch(/^ {2}\S*bad\.yaml:2:10: version: Invalid input: expected 1$/m);
    expect(stderr).toMatch(/^ {2}\S*key\.yaml:15:\d+: rules\[0\]\.when\[1\]\.atLeast\.parameter: no parameter is named "hour"$/m);
    expect(stderr).toMatch(/^hint: {2}Correct the profile at the lines named/m);
  });

  it('check: is content with what is right, also as a document for programs', async () => {
    const path = await put('own-age.yaml', await renamed('own-age'));
    const { code, stdout, stderr } = await cli(api, ['profile', 'check', path, '--output', 'json'], NO_SERVER);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual([{ file: path, isValid: true, name: 'own-age', status: 'proven', errors: [] }]);
    const wrong = await cli(api, ['profile', 'check', join(own, 'gone.yaml'), join(own, 'age.yml'), own, '--output', 'yaml'], NO_SERVER);
    expect(wrong.code).toBe(2);
    expect(parse(wrong.stdout)).toMatchObject([
      { isValid: false, errors: [expect.stringMatching(/gone\.yaml: cannot be read: ENOENT/)] },
      { isValid: false, errors: [expect.stringMatching(/age\.yml: its name has to end with \.yaml$/)] },
      { isValid: false, name: null, errors: [expect.any(String)] },
    ]);
  });

  it('check: without a file is a wrong use', async () => {
    expect(await cli(api, ['profile', 'check'], NO_SERVER)).toMatchObject({ code: 2, stdout: '' });
  });

  it('is completed by names, and by files', async () => {
    const complete = async (...words: readonly string[]) => (await cli(api, ['complete', '--', ...words])).stdout;
    expect(await complete('profile', 'show', 'cl')).toMatch(/^clock\t.*proven$/m);
    expect(await complete('profile', 'check', 'one.yaml', '')).toBe(':files\n');
  });

  describe('a relation in the estate file', () => {
    const apply = async (text: string, ...options: readonly string[]) => {
      const path = join(api.directory, 'estate.yaml');
      await writeFile(path, text);
      return cli(api, ['apply', '-f', path, ...options]);
    };

    it.each([
      [
        'a profile that is not there',
        ['profile: max-age', 'profile: maxage'],
        3,
        /estate\.yaml:13:14: relations\[0\]\.profile: no profile is named "maxage"; is "max-age" meant\?$/m,
      ],
      [
        'a parameter that is missing',
        ['hours: "24"', 'severity: block'],
        2,
        /estate\.yaml:14:5: relations\[0\]\.parameters: the profile max-age needs the parameter "hours"/m,
      ],
      [
        'a parameter that is not known',
        ['hours: "24"', 'hours: "24"\n      days: "1"'],
        2,
        /estate\.yaml:16:13: relations\[0\]\.parameters\.days: the profile max-age has no parameter "days"/m,
      ],
      ['a value that says nothing', ['"24"', 'soon'], 2, /estate\.yaml:15:14: relations\[0\]\.parameters\.hours: .*no number/m],
      [
        'a server that is not declared',
        ['server: db02', 'server: db03'],
        2,
        /estate\.yaml:12:\d+: relations\[0\]\.peers\[0\]\.server: no server named "db03" is declared in this file$/m,
      ],
    ] as const)('with %s is refused with its line, and nothing is changed', async (_what, [from, to], code, line) => {
      for (const options of [['--dry-run'], []]) {
        const answer = await apply(ESTATE_FILE.replace(from, to), ...options);
        expect(answer).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(line) as string });
      }
      expect(await api.catalog.listServers()).toEqual([]);
    });

    it('that is right is applied and listed, of all servers or of one', async () => {
      expect(await apply(ESTATE_FILE)).toMatchObject({ code: 0 });
      for (const options of [[], ['--server', 'db02']]) {
        const { code, stdout, stderr } = await cli(api, ['relation', 'list', ...options]);
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        expect(stdout).toMatch(/^NAME +SERVER +RELATION +PEERS +PROFILE +VERDICT +PARAMETERS$/m);
        expect(stdout).toMatch(/^pair +db01 +replicates-with +db02 +max-age +\S.* +hours=24$/m);
      }
      const { code, stderr } = await cli(api, ['relation', 'list', '--server', 'db03']);
      expect({ code, stderr }).toEqual({ code: 3, stderr: expect.stringContaining('SERVER_NOT_FOUND') as string });
    });

    it('that is right is applied; while a file of profiles is wrong it is refused with the line of that', async () => {
      expect(await apply(ESTATE_FILE)).toMatchObject({ code: 0 });
      const path = await put('wrong.yaml', 'format: [');
      const answer = await apply(ESTATE_FILE, '--dry-run');
      expect(answer).toMatchObject({ code: 2, stderr: expect.stringMatching(/^error: PROFILE_INVALID: The profiles have \w+ errors?\.$/m) as string });
      expect(answer.stderr).toContain(`  ${path}:1:`);
    });
  });
});
