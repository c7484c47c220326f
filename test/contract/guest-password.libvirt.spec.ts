import { randomBytes } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setPassword } from '../../src/guests/credentials/set-password';
import type { GuestAgent } from '../../src/guests/guest-agent';
import { createLibvirtHypervisor } from '../../src/hypervisors/libvirt/libvirt-hypervisor';
import { createGuestServer, guestOutput, waitForAgent, type GuestServer } from '../guests/guest-server';
import { GuestLogin } from '../support/guest-login';
import { ArgvWatch, GuestArgvWatch, SecretHunt } from '../support/secret-hunt';
import { ownedDirectory } from '../support/owned-directory';

/** A password is set through a real agent in a real guest, proven by the guest's own libraries, and proven again by whoever logs in with it. */
jest.setTimeout(300_000);
const TIMEOUT_MS = 30_000;
const [FIRST, SECOND] = [`first-${randomBytes(12).toString('hex')}`, `quote ' " back\\slash $HOME \`id\` : 戻す ${randomBytes(12).toString('hex')}`];

let root: string;
let guest: GuestServer;
let agent: GuestAgent;
let login: GuestLogin;

const set = (account: string, password: string) => setPassword(agent, account, password, { beforeSetting: async () => undefined });

beforeAll(async () => {
  root = ownedDirectory(process.env['MODOSU_TEST_DIRECTORY'] ?? '/var/tmp', 'modosu-password-');
  chmodSync(root, 0o711);
  guest = await createGuestServer({
    name: `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}password-${randomBytes(3).toString('hex')}`,
    guest: 'minimal',
    directory: join(root, 'disks'),
  });
  await waitForAgent(guest.uuid, 120_000);
  agent = createLibvirtHypervisor({ name: 'test', uri: 'qemu:///system', stateDirectory: join(root, 'state') }).guestAgent(guest);
  login = new GuestLogin(guest.uuid, root);
});
afterAll(async () => {
  await guest?.destroy();
  rmSync(root, { recursive: true, force: true });
});

it('sets a password, which then opens the account and no other does', async () => {
  expect(await set('root', FIRST)).toEqual({ evidence: 'the guest accepts it (unix_chkpwd), and refuses another one' });
  expect(await login.isLetIn('root', FIRST)).toBe(true);
  expect(await login.isLetIn('root', SECOND)).toBe(false);
});

it('sets another one, whatever stands in it, and shows it in no argument vector, on the host or in the guest', async () => {
  const hunt = new SecretHunt(new Map([['second', SECOND]]));
  const [onHost, inGuest] = [new ArgvWatch(), await GuestArgvWatch.begin(guest.uuid, '/root/seen')];
  const { evidence } = await set('root', SECOND);
  const seen = { host: onHost.end(), guest: await inGuest.end() };
  expect(evidence).toContain('the guest accepts it');
  expect(seen.host).toContain('virsh');
  expect(seen.guest).toContain('qemu-ga');
  expect([hunt.in(seen.host), hunt.in(seen.guest)]).toEqual([[], []]);
  expect(await login.isLetIn('root', SECOND)).toBe(true);
  expect(await login.isLetIn('root', FIRST)).toBe(false);
});

it('leaves an account alone that has it already', async () => {
  const shadow = (): Promise<string> => guestOutput(guest.uuid, ['sh', '-c', 'grep ^root: /etc/shadow']);
  const before = await shadow();
  expect(await set('root', SECOND)).toMatchObject({ evidence: expect.stringContaining('accepted it already') as string });
  expect(await shadow()).toBe(before);
});

it('says that an account is not there, without the words of the guest', async () => {
  await expect(set('importer', FIRST)).rejects.toMatchObject({ code: 'CREDENTIAL_NOT_SET', message: `The guest agent of ${guest.name} did not set it.` });
});

it.each(['root:x\nother', 'root\nother'])('makes no second line of an account in a hostile name: %j', async (account) => {
  const accounts = await guestOutput(guest.uuid, ['cat', '/etc/shadow']);
  await expect(agent.setPassword(account, FIRST, { timeoutMs: TIMEOUT_MS })).rejects.toMatchObject({ code: 'CREDENTIAL_NOT_SET' });
  expect(await guestOutput(guest.uuid, ['cat', '/etc/shadow'])).toBe(accounts);
});

it('says that it was set and cannot be proven where the guest has nothing to check it with', async () => {
  const checker = (await guestOutput(guest.uuid, ['sh', '-c', 'command -v unix_chkpwd'])).trim();
  await guestOutput(guest.uuid, ['mv', checker, `${checker}.away`]);
  await expect(set('root', FIRST)).rejects.toMatchObject({ code: 'CREDENTIAL_NOT_PROVEN', message: expect.stringContaining('it was set') as string });
  expect(await login.isLetIn('root', FIRST)).toBe(true);
  await guestOutput(guest.uuid, ['sh', '-c', `printf '#!/bin/sh\\nexit 0\\n' > ${checker}; chmod 755 ${checker}`]);
  await expect(set('root', SECOND)).rejects.toMatchObject({
    code: 'CREDENTIAL_NOT_PROVEN',
    message: expect.stringContaining('accepts any password') as string,
  });
  await guestOutput(guest.uuid, ['mv', '-f', `${checker}.away`, checker]);
});
