import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram, virsh } from '../guests/run-program';
import { ownedDirectory, sweepBrokenOff } from '../support/owned-directory';
import { eventually } from '../support/processes';

/** What a run of tests that was killed has left is removed before the next one; what another run is at work with is not. */
const NAME = `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}broken-off`;
const PARENT = process.env['MODOSU_TEST_DIRECTORY'] ?? '/var/tmp';

/** A test process that makes a directory, a domain with its disk there and a process that works there, says so, and waits to be killed. */
const PROGRAM = `
  const { spawn, execFileSync } = require('node:child_process');
  const { writeFileSync } = require('node:fs');
  const { ownedDirectory } = require(${JSON.stringify(join(__dirname, '../support/owned-directory'))});
  const directory = ownedDirectory(${JSON.stringify(PARENT)}, 'modosu-broken-off-');
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', directory + '/disk.qcow2', '1M']);
  writeFileSync(directory + '/domain.xml', "<domain type='qemu'><name>${NAME}</name><memory unit='MiB'>32</memory><os><type arch='x86_64' machine='q35'>hvm</type></os>" +
    "<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='" + directory + "/disk.qcow2'/><target dev='vda' bus='virtio'/></disk></devices></domain>");
  execFileSync('virsh', ['-q', '-c', 'qemu:///system', 'define', directory + '/domain.xml']);
  const other = spawn('sleep', ['3600'], { detached: true, stdio: 'ignore', env: { ...process.env, MODOSU_STATE_DIR: directory } });
  console.log(JSON.stringify({ directory, pid: other.pid }));
  setInterval(() => undefined, 1000);
`;

describe('tests that were broken off', () => {
  const live = ownedDirectory(PARENT, 'modosu-broken-off-live-');
  afterAll(() => rmSync(live, { recursive: true, force: true }));
  const domainIsThere = async (): Promise<boolean> => (await virsh(['list', '--all', '--name'])).split('\n').includes(NAME);

  it('leave a domain, a process and a directory, which the next run removes; while their process lives, nothing is touched', async () => {
    const child = spawn(process.execPath, ['--require', join(__dirname, '../support/register-ts.cjs'), '--eval', PROGRAM], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (piece: string) => (said += piece));
    try {
      await eventually('it has made all of it', () => Promise.resolve(said.includes('\n')), 60_000);
      const { directory, pid } = JSON.parse(said) as { readonly directory: string; readonly pid: number };
      writeFileSync(join(directory, 'something'), 'x');

      expect(await sweepBrokenOff()).not.toContain(directory);
      expect(existsSync(directory)).toBe(true);
      expect(await domainIsThere()).toBe(true);

      child.kill('SIGKILL');
      await exited;
      expect(existsSync(`/proc/${pid}`)).toBe(true);
      expect(await sweepBrokenOff()).toContain(directory);
      expect(existsSync(directory)).toBe(false);
      expect(await domainIsThere()).toBe(false);
      await eventually('the process is gone', () => Promise.resolve(!lives(pid)));
      expect(existsSync(live)).toBe(true);
      expect(await sweepBrokenOff()).not.toContain(directory);
    } finally {
      child.kill('SIGKILL');
      await runProgram('virsh', ['-q', '-c', 'qemu:///system', 'undefine', NAME]);
    }
  });
});

const lives = (pid: number): boolean => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};
