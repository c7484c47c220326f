import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { virsh } from '../guests/run-program';
import { processesWith } from '../support/processes';
import { eventually } from '../support/up-process';

/** The demo as people run it, in a directory, on a port and with a domain of its own. */
jest.setTimeout(1_200_000);
const DIRECTORY = '/var/lib/modosu-test/demo';
const DOMAIN = 'e2e-demo-db01';
const MAIN = join(__dirname, '..', '..', 'dist', 'demo', 'main.js');

/** As `formatDuration` writes what lasted less than an hour: `8 s`, `1 min`, `1 min 26 s`. */
const DURATION = '(?:\\d+ min|\\d+ s|\\d+ min \\d+ s)';

let child: ChildProcess;
let output = '';
function start(...args: readonly string[]): Promise<number | null> {
  output = '';
  child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, MODOSU_DEMO_DIR: DIRECTORY, MODOSU_DEMO_DOMAIN: DOMAIN, MODOSU_DEMO_PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve) => child.on('close', resolve));
}
/** Those of all acts begin with it. */
const domains = async (): Promise<readonly string[]> => (await virsh(['list', '--all', '--name'])).split('\n');
const expectNothingLeft = async (): Promise<void> => {
  expect((await domains()).filter((name) => name.startsWith(DOMAIN))).toEqual([]);
  expect(existsSync(DIRECTORY)).toBe(false);
  for (const program of ['node', 'postgres', 'temporal', 'qemu-system-x86_64']) expect(await processesWith(program, DIRECTORY)).toEqual([]);
};

afterEach(async () => {
  child.kill('SIGKILL');
  await eventually(
    () => processesWith('node', 'dist/demo/main.js'),
    (pids) => !pids.includes(child.pid ?? 0),
    60_000,
  );
});
afterAll(() => rm(DIRECTORY, { recursive: true, force: true }));

it('brings the server back, compares, ends with 0 and leaves nothing', async () => {
  const code = await start('--exit');
  expect(output).toContain('Every comparison held.');
  expect(output).not.toContain('FAILED');
  expect(output).toContain('the guest agent stays silent: the OS no longer starts');
  expect(output).toContain('only what was missing came back');
  const measured = expect.stringMatching(new RegExp(`Measured: lost ${DURATION} \\(.*, recovered in ${DURATION} \\(`)) as string;
  expect(output.split('\n').filter((line) => line.includes('Measured: '))).toEqual([measured, measured]);
  expect(code).toBe(0);
  await expectNothingLeft();
});

it('restores a primary beside its standby, also after a demo that was killed; their rows agree, it ends with 0 and leaves nothing', async () => {
  const killed = start('--act', 'consistency');
  await eventually(
    () => output,
    (text) => text.includes('They boot') || text.includes('FAILED'),
    200_000,
  );
  child.kill('SIGKILL');
  await killed;
  expect((await domains()).filter((name) => name.startsWith(DOMAIN)).sort()).toEqual([DOMAIN, `${DOMAIN}-standby`]);

  const code = await start('--act', 'consistency', '--exit');
  expect(output).toContain('Every comparison held.');
  expect(output).not.toContain('FAILED');
  expect(output).toMatch(/BLOCKS +STANDBY_AHEAD: "db02" has received the log up to/);
  expect(output).toContain('It is not carried out as it is: exit code 9');
  expect(output).toContain('A new order on db01 has arrived on db02');
  expect(code).toBe(0);
  await expectNothingLeft();
});

it.each(['--act third', '--act', 'consistency', '--act mission --now'])('says how it is used when it is told %s', async (typed) => {
  expect(await start(...typed.split(' '))).toBe(2);
  expect(output).toContain('usage: npm run demo -- [--act mission|consistency] [--exit]');
  await expectNothingLeft();
});

/** Both signals take the same way. */
it.each(['SIGINT', 'SIGTERM'] as const)('cleans up after %s in the middle', async (signal) => {
  const ended = start();
  await eventually(
    () => output,
    (text) => text.includes('Rows in orders') || text.includes('FAILED'),
    200_000,
  );
  expect(await domains()).toContain(DOMAIN);
  child.kill(signal);
  expect(await ended).toBe(130);
  await expectNothingLeft();
});
