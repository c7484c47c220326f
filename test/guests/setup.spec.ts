import { spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/processes';
import { askModule } from './module-answers';

const ROOT = join(__dirname, '..', '..');
const NOBODY = 65534;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'modosu-setup-'));
  chmodSync(directory, 0o755);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A checkout with the set-up script, one locked package and a stand-in for npm that installs it. */
function checkout(options: { readonly installed: boolean; readonly npm?: string }): string {
  const root = join(directory, 'checkout');
  cpSync(join(ROOT, 'scripts'), join(root, 'scripts'), { recursive: true });
  cpSync(join(ROOT, 'test', 'guests'), join(root, 'test', 'guests'), { recursive: true });
  const packages = { 'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' }, 'node_modules/mac': { version: '2.0.0', optional: true } };
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: { '': {}, ...packages } }));
  if (options.installed) {
    mkdirSync(join(root, 'node_modules'));
    writeFileSync(join(root, 'node_modules', '.package-lock.json'), JSON.stringify({ packages: { 'node_modules/a': packages['node_modules/a'] } }));
  }
  const installs = "const fs = require('fs'); fs.appendFileSync('npm-calls', process.argv[2] + '\\n'); fs.mkdirSync('node_modules', { recursive: true });";
  writeFileSync(join(root, 'npm-cli.js'), options.npm ?? installs);
  return root;
}

function setUp(
  root: string,
  args: readonly string[],
  extra: { readonly uid?: number; readonly env?: Readonly<Record<string, string>> } = {},
): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [join(root, 'scripts', 'setup.mjs'), ...args], {
    cwd: root,
    encoding: 'utf8',
    uid: extra.uid,
    env: { ...process.env, npm_execpath: join(root, 'npm-cli.js'), npm_lifecycle_event: 'demo', ...extra.env },
  });
}

describe('the set-up script', () => {
  it('takes over packages that are installed as the lock file says, and says that nothing is missing', () => {
    const root = checkout({ installed: true });
    const result = setUp(root, ['--for', 'unit']);
    expect(result.stderr).toBe('Set-up for unit: everything is there.\n');
    expect(result.status).toBe(0);
    expect(existsSync(join(root, 'npm-calls'))).toBe(false);
  });

  it('says what is missing before it installs, installs once, and again when the lock file changes', () => {
    const root = checkout({ installed: false });
    const first = setUp(root, ['--for', 'unit']);
    expect(first.status).toBe(0);
    expect(first.stderr).toMatch(
      /Missing, and what will be done:\n {2}- npm packages \(npm ci .*\)\nInstalling npm packages \(npm ci\) \(about 1 min\)\n {2}done in \d+ s\n/,
    );
    expect(setUp(root, ['--for', 'unit']).stderr).toBe('Set-up for unit: everything is there.\n');
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: { '': {}, 'node_modules/a': { version: '1.0.1', integrity: 'sha512-b' } } }));
    expect(setUp(root, ['--for', 'unit']).status).toBe(0);
    expect(readFileSync(join(root, 'npm-calls'), 'utf8')).toBe('ci\nci\n');
  });

  it('installs what the lock file lists when that lacks packages of other systems', () => {
    const npm =
      "const fs = require('fs'); fs.appendFileSync('npm-calls', process.argv.slice(2, 4).join(' ') + '\\n');" +
      "if (process.argv[2] === 'ci') { console.error('npm error `npm ci` can only install packages when your package.json and package-lock.json or npm-shrinkwrap.json are in sync.'); process.exit(1); }" +
      "fs.mkdirSync('node_modules');";
    const root = checkout({ installed: false, npm });
    expect(setUp(root, ['--for', 'unit']).status).toBe(0);
    expect(readFileSync(join(root, 'npm-calls'), 'utf8')).toBe('ci --include=dev\ninstall --no-save\n');
  });

  it('shows what a failing installation said and what to do, and does not remember it as done', () => {
    const npm = "console.error('npm error code E403'); for (let i = 0; i < 100; i++) console.error('help ' + i); process.exit(1);";
    const root = checkout({ installed: false, npm });
    const result = setUp(root, ['--for', 'unit']);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('  | npm error code E403\n');
    expect(result.stderr).toContain('  | help 99\n');
    expect(result.stderr).not.toContain('help 50\n');
    expect(result.stderr).toMatch(/What to do: .*start again\.\n$/);
    expect(result.stderr).not.toContain('    at '); // no stack for what a person has to solve
    expect(existsSync(join(root, 'node_modules'))).toBe(false);
  });

  const asRoot = process.getuid?.() === 0 ? it : it.skip;
  asRoot('prints the exact command with sudo and stops without root', () => {
    const root = checkout({ installed: true });
    const result = setUp(root, ['--for', 'demo'], { uid: NOBODY });
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('\n  sudo env "PATH=$PATH" npm run demo\n');
    expect(setUp(root, ['--for', 'unit'], { uid: NOBODY }).status).toBe(0);
  });

  asRoot('names the private directory that keeps QEMU out of a cache', () => {
    const root = checkout({ installed: true });
    const home = join(directory, 'home');
    mkdirSync(home, { mode: 0o700 });
    const result = setUp(root, ['--for', 'test'], { env: { MODOSU_CACHE_DIR: join(home, 'cache'), MODOSU_STATE_DIR: join(directory, 'state') } });
    expect(result.status).toBe(1);
    expect(result.stderr).toContain(`because of ${home}.`);
    expect(result.stderr).toContain(`chmod o+x ${home}`);
  });

  it('refuses a purpose it does not know', () => {
    const result = setUp(checkout({ installed: true }), ['--for', 'fun']);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('Usage: node scripts/setup.mjs [--for use|demo|test|full|unit|bench]');
  });
});

describe('the purpose "use"', () => {
  const packagesFor = (purpose: string): readonly string[] => askModule('scripts/setup/packages.mjs', 'module.packagesFor(input)', purpose) as string[];
  const guestsOf = (purpose: string): unknown =>
    askModule('scripts/setup/guests.mjs', '[module.missingGuestsFor(input), module.acceleratorIsUnknown(input)]', purpose, {
      MODOSU_CACHE_DIR: join(directory, 'empty'),
    });

  const asRoot = process.getuid?.() === 0 ? it : it.skip;
  asRoot('is the one of a set-up that names none', () => {
    const result = setUp(checkout({ installed: true }), [], { uid: NOBODY, env: { npm_lifecycle_event: 'setup' } });
    expect(result.stderr).toContain('node scripts/setup.mjs --for use\n');
  });

  it('is that of "npm run setup" alone: whatever needs more says so', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly scripts: Readonly<Record<string, string>> };
    const calling = Object.entries(scripts).filter(([, script]) => script.includes('setup.mjs'));
    expect(calling.filter(([, script]) => !/setup\.mjs --for (demo|test|full|unit|bench) && /.test(script)).map(([name]) => name)).toEqual(['setup']);
  });

  it('has every program that `modosu up` starts, and neither servers of tests nor what guests are built with', () => {
    const packages = packagesFor('use');
    expect(packages).toEqual(expect.arrayContaining(['libvirt-daemon-system', 'libvirt-clients', 'qemu-utils', 'restic', 'rclone', 'openssh-client']));
    for (const name of ['knot', 'iproute2', 'virtnbdbackup', 'mtools', 'kmod']) expect(packages).not.toContain(name);
    expect(packagesFor('test')).toEqual(expect.arrayContaining([...packages, 'knot', 'mtools']));
  });

  it('builds no guest, and tries no KVM with one', () => {
    expect(guestsOf('use')).toEqual([[], false]);
    expect(guestsOf('demo')).toEqual([['postgresql'], expect.any(Boolean)]);
  });
});

describe('an interruption', () => {
  it("ends the children, runs the cleanups and exits with the signal's code", async () => {
    const file = join(directory, 'half-made');
    const program = `
      import { exitCleanlyOnSignals, run, withCleanup } from ${JSON.stringify(join(ROOT, 'scripts/setup/programs.mjs'))};
      import { rmSync, writeFileSync } from 'node:fs';
      exitCleanlyOnSignals();
      await withCleanup(() => rmSync(${JSON.stringify(file)}, { force: true }), () => {
        writeFileSync(${JSON.stringify(file)}, '');
        return run('sh', ['-c', 'sleep 600 & echo $!; wait'], { onLine: (line) => console.log(line) });
      }).catch(() => undefined);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'ignore'] });
    const pid = await new Promise<number>((resolve) => child.stdout.once('data', (text: Buffer) => resolve(Number(text.toString()))));
    expect(existsSync(file)).toBe(true);
    const exitCode = await new Promise((resolve) => {
      child.once('close', resolve);
      child.kill('SIGTERM');
    });
    expect(exitCode).toBe(143);
    expect(existsSync(file)).toBe(false);
    await eventually('the grandchild ends: the whole group was ended', async () => !isRunning(pid));
  });
});

/** A process that has ended but was not yet collected by its parent does not run. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

describe('apt', () => {
  const fakeApt = (script: string): string => {
    const path = join(directory, 'apt-get');
    writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return path;
  };
  const call = 'module.apt(["update"], () => {}, input).then(() => "done", (error) => error.message)';

  it('waits while another program holds its lock', () => {
    const program = fakeApt(
      `cd ${directory}; [ -e second ] && exit 0; touch second; echo "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7" >&2; exit 100`,
    );
    expect(askModule('scripts/setup/packages.mjs', call, { program, retryMs: 10 })).toBe('done');
  });

  it("gives up with the holder's name after the wait", () => {
    const program = fakeApt('echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt)" >&2; exit 100');
    expect(askModule('scripts/setup/packages.mjs', call, { program, retryMs: 10, waitMs: 50 })).toMatch(/still in use by another program .*process 7 \(apt\)/);
  });

  it('fails at once for any other reason', () => {
    const program = fakeApt('echo "E: Unable to locate package x" >&2; exit 100');
    expect(askModule('scripts/setup/packages.mjs', call, { program })).toContain('exit code 100');
  });

  it('takes only fully installed packages as present', () => {
    const text = 'ii \ta\nun \tb\nrc \tc\niF \td\nhi \te\n';
    expect(askModule('scripts/setup/packages.mjs', 'module.notInstalled(["a", "b", "c", "d", "e", "f"], input)', text)).toEqual(['b', 'c', 'd', 'f']);
  });
});

describe('the Temporal CLI', () => {
  const find = 'module.findTemporal().catch((error) => error.message)';
  const cli = (folder: string, version: string): string => {
    mkdirSync(join(directory, folder), { recursive: true });
    const path = join(directory, folder, 'temporal');
    writeFileSync(path, `#!/bin/sh\necho "${version}"\n`, { mode: 0o755 });
    return path;
  };
  const locate = (env: Readonly<Record<string, string>>): unknown =>
    askModule('scripts/setup/temporal.mjs', find, null, {
      MODOSU_TEMPORAL_CLI: '',
      MODOSU_CACHE_DIR: join(directory, 'cache'),
      PATH: join(directory, 'bin'),
      ...env,
    });

  it('is looked for where it is configured, then on PATH, then in the cache', () => {
    expect(locate({})).toBeNull();
    const cached = cli('cache/temporal-1.5.1', 'temporal version 0.0.0-DEV');
    expect(locate({})).toBe(cached);
    const installed = cli('bin', 'temporal version 1.5.1');
    expect(locate({})).toBe(installed);
    const configured = cli('own', 'temporal version 1.5.1');
    expect(locate({ MODOSU_TEMPORAL_CLI: configured })).toBe(configured);
  });

  it('is not another program of the same name', () => {
    const other = cli('bin', 'Temporal, the clock');
    expect(locate({})).toBeNull();
    expect(locate({ MODOSU_TEMPORAL_CLI: other })).toContain('which is not a Temporal CLI');
  });

  it.each([
    ['go1.26.8', true],
    ['1.21~2', true],
    ['1.19', false],
    ['', false],
  ])('is built with Go %s: %s', (version, usable) => {
    expect(askModule('scripts/setup/go.mjs', 'module.isNewEnough(input)', version)).toBe(usable);
  });
});
