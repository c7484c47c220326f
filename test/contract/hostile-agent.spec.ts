import { rmSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { createGuestServer, cutPower, guestOutput, startGuest, waitForAgent, type GuestServer } from '../guests/guest-server';
import { askAgent, healAgent, installHostileAgent } from '../support/hostile-agent';
import { eventually } from '../support/up-process';
import { ownedDirectory } from '../support/owned-directory';

/** The hostile agents other tests rely on really are hostile in the way they are meant to be, and in no other. */
jest.setTimeout(120_000);
let directory: string;
let guest: GuestServer;

beforeAll(async () => {
  directory = ownedDirectory('/var/tmp', 'modosu-hostile-');
  await chmod(directory, 0o755);
  guest = await createGuestServer({ name: 'hostile-agent', guest: 'minimal', directory });
  await waitForAgent(guest.uuid, 120_000);
});
/** Each case ends with a guest whose agent is its own: one that fails must not take the others with it. */
afterEach(async () => {
  if ((await ask('guest-ping')).exitCode !== 0) await restart();
});
afterAll(async () => {
  await guest?.destroy();
  rmSync(directory, { recursive: true, force: true });
});

const ask = (command: string, timeoutSeconds?: number) => askAgent(guest.uuid, command, timeoutSeconds);
const returned = async (command: string): Promise<unknown> => (JSON.parse((await ask(command)).stdout) as { readonly return: unknown }).return;
const restart = async (): Promise<void> => {
  await cutPower(guest.uuid);
  await startGuest(guest.uuid);
  await waitForAgent(guest.uuid, 120_000);
};
/** Whether a write in the guest ends: needs an agent that runs programs. */
const writes = (): Promise<string> => guestOutput(guest.uuid, ['sh', '-c', 'echo written > /opt/written && sync && cat /opt/written'], { timeoutMs: 10_000 });

/** That the test's own tool is what it says: `npm test` looks at the modes that it uses itself. */
const FULL = process.env['MODOSU_TEST_FULL'] === '1';

it('hangs in freeze: everything else is answered, nothing is frozen', async () => {
  await guestOutput(guest.uuid, ['mkdir', '-p', '/opt']);
  await installHostileAgent(guest.uuid, 'hangs-in-freeze');
  expect(await ask('guest-fsfreeze-freeze')).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('not available for now') as string });
  expect(await returned('guest-ping')).toEqual({});
  expect(await returned('guest-fsfreeze-status')).toBe('thawed');
  expect(await ask('guest-no-such')).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('has not been found') as string });
  await healAgent(guest.uuid);
  expect(await writes()).toBe('written\n');
});

if (FULL) {
  it('freezes late: the freeze that nobody answered comes all the same', async () => {
    await installHostileAgent(guest.uuid, 'freezes-late');
    expect((await ask('guest-fsfreeze-freeze')).exitCode).toBe(1);
    expect(await returned('guest-fsfreeze-status')).toBe('thawed');
    await eventually(
      () => returned('guest-fsfreeze-status'),
      (status) => status === 'frozen',
      40_000,
    );
    expect(await returned('guest-fsfreeze-thaw')).toBe(1);
    await healAgent(guest.uuid);
    expect(await writes()).toBe('written\n');
  });
}

if (FULL) {
  it('hangs in thaw: the guest stays frozen until a thaw that is asked for 15 s after the first', async () => {
    await installHostileAgent(guest.uuid, 'hangs-in-thaw');
    expect(await returned('guest-fsfreeze-freeze')).toBe(1);
    const firstAt = performance.now();
    expect((await ask('guest-fsfreeze-thaw')).exitCode).toBe(1);
    expect(await returned('guest-fsfreeze-status')).toBe('frozen');
    await eventually(
      async () => (await ask('guest-fsfreeze-thaw')).exitCode,
      (exitCode) => exitCode === 0,
      40_000,
    );
    expect(performance.now() - firstAt).toBeGreaterThan(13_000);
    expect(await returned('guest-fsfreeze-status')).toBe('thawed');
    await healAgent(guest.uuid);
    expect(await writes()).toBe('written\n');
  });
}

it.each([
  ['garbage', /cannot parse json/],
  ['flood', /No complete agent response found in \d+ bytes/],
] as const)('%s: libvirt gives the agent up, until the guest is started anew', async (mode, message) => {
  await installHostileAgent(guest.uuid, mode);
  expect(await returned('guest-ping')).toEqual({});
  const answer = await ask('guest-fsfreeze-freeze', 20);
  expect(answer.exitCode).toBe(1);
  expect(answer.stderr).toMatch(message);
  expect(await ask('guest-ping')).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('not available due to an error') as string });
  await restart();
  expect(await writes()).toBe('written\n');
});

it('garbage with a NUL: libvirt hears nothing more from this agent, until the guest is started anew', async () => {
  await installHostileAgent(guest.uuid, 'garbage-with-nul');
  expect(await returned('guest-ping')).toEqual({});
  for (const command of ['guest-fsfreeze-freeze', 'guest-ping']) {
    expect(await ask(command)).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('not available for now') as string });
  }
  await restart();
  expect(await writes()).toBe('written\n');
});

it.each([
  ['freeze-forbidden', 'guest-fsfreeze-freeze'],
  ['exec-forbidden', 'guest-exec'],
] as const)('%s: refused in the words of the real agent, the rest works', async (mode, command) => {
  await installHostileAgent(guest.uuid, mode);
  expect(await ask(command)).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(`Command ${command} has been disabled`) as string });
  expect(await returned('guest-fsfreeze-status')).toBe('thawed');
  await restart();
  expect(await writes()).toBe('written\n');
});

it('silent: nothing is answered, and the guest runs on', async () => {
  await installHostileAgent(guest.uuid, 'silent');
  expect((await ask('guest-ping')).stderr).toContain('not available for now');
  expect((await ask('guest-fsfreeze-freeze')).exitCode).toBe(1);
  await restart();
  expect(await writes()).toBe('written\n');
});
