import { randomBytes } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createLibvirtHypervisor } from '../../src/hypervisors/libvirt/libvirt-hypervisor';
import type { MarkerReading } from '../../src/contracts/profile';
import { readMarker } from '../../src/probes/read-markers';
import { madeUpMarker } from '../support/made-up-relations';
import { createGuestServer, guestOutput, waitForAgent, type GuestServer } from '../guests/guest-server';
import { shippedProfile } from '../support/judged-profile';
import { JudgedRelation, type Side } from '../support/judged-relation';
import { eventually } from '../support/processes';
import { ownedDirectory } from '../support/owned-directory';

jest.setTimeout(240_000);

const KEY = '/etc/shared.key';
const MINUTE_SECONDS = 60;

/** Two real guests, each with a clock and files of its own, asked through their agents as a worker asks them. */
describe('profiles for any two servers', () => {
  let root: string;
  const guests: GuestServer[] = [];
  const [server, peer] = [0, 1].map((index): Side => {
    const target = () => {
      const { uuid, name } = guests[index] as GuestServer;
      const hypervisor = createLibvirtHypervisor({ name: 'test', uri: 'qemu:///system', stateDirectory: join(root, 'state') });
      return { agent: hypervisor.guestAgent({ uuid, name }), address: null, facts: {}, now: () => new Date() };
    };
    return { name: ['app1', 'app2'][index] as string, target };
  }) as [Side, Side];
  const sh = (side: Side, script: string, ...args: readonly string[]): Promise<string> =>
    guestOutput((guests[side === server ? 0 : 1] as GuestServer).uuid, ['sh', '-euc', script, 'sh', ...args]);

  beforeAll(async () => {
    root = ownedDirectory(process.env['MODOSU_TEST_DIRECTORY'] ?? '/var/tmp', 'modosu-generic-');
    chmodSync(root, 0o711);
    const prefix = `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}generic-${randomBytes(3).toString('hex')}`;
    for (const number of [1, 2]) guests.push(await createGuestServer({ name: `${prefix}-${number}`, guest: 'minimal', directory: join(root, 'disks') }));
    await Promise.all(guests.map(({ uuid }) => waitForAgent(uuid, 120_000)));
  });
  afterAll(async () => {
    for (const guest of guests) await guest.destroy();
    if (root !== undefined) rmSync(root, { recursive: true, force: true });
  });

  describe('a probe in a real guest', () => {
    const read = async (script: string, timeoutSeconds = 60): Promise<MarkerReading> =>
      readMarker(madeUpMarker('said', { type: 'text', timeoutSeconds, probe: { kind: 'command', argv: ['/bin/sh', '-c', script] } }), await peer.target());
    /** The guest is as it was: nothing of the probe runs on (a second later, where `timeout` is busybox's), and its agent has room for the next one. */
    const expectAsBefore = async (running: string): Promise<void> => {
      await eventually(
        `nothing of ${running} runs`,
        async () => (await sh(peer, 'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " " | grep -c "[[]$1[]]" || :', running)).trim() === '0',
        30_000,
      );
      expect(await read('echo fine')).toMatchObject({ state: 'read', value: 'fine' });
    };

    it('that prints 100 MB is no value; worker and agent go on', async () => {
      const rssBefore = process.memoryUsage().rss;
      const reading = await read('head -c 104857600 /dev/zero | tr "\\0" x; : [flood]');
      expect(reading).toMatchObject({ state: 'failed', code: 'PROBE_OUTPUT_TOO_LARGE' });
      expect(JSON.stringify(reading).length).toBeLessThan(2_000);
      expect(process.memoryUsage().rss - rssBefore).toBeLessThan(64 * 1024 * 1024);
      await expectAsBefore('flood');
    });

    it('that hangs is ended, in the guest too', async () => {
      expect(await read('exec sleep 3600 # [hangs]', 2)).toMatchObject({ state: 'failed', code: 'PROBE_TIMED_OUT' });
      await expectAsBefore('hangs');
      expect(await sh(peer, 'pgrep -f "sleep 360[0]" || :')).toBe('');
    });

    it('that prints what would steer a terminal is no value', async () => {
      const reading = await read("printf 'a\\033[2Jb'");
      expect(reading).toMatchObject({ state: 'failed', code: 'MARKER_UNREADABLE' });
      expect(JSON.stringify(reading)).not.toContain('\\u001b');
    });
  });

  describe('same-value', () => {
    const relation = (parameters: Readonly<Record<string, string>> = {}): JudgedRelation =>
      new JudgedRelation(shippedProfile('same-value'), server, peer, { argument: KEY, ...parameters });
    const write = (side: Side, text: string): Promise<string> => sh(side, 'printf %s "$1" > "$2"', text, KEY);
    const hashOf = async (side: Side): Promise<string> => (await sh(side, 'sha256sum "$1"', KEY)).slice(0, 64);

    it('tells a key that was rotated on both since the recovery point, and that they are alike again when it was taken over', async () => {
      for (const side of [server, peer]) await write(side, 'first key');
      const [warns, blocks] = [relation(), relation({ severity: 'block' })];
      for (const judged of [warns, blocks]) {
        await judged.capture();
        expect((await judged.judge('plan')).verdicts).toEqual(['ok RELATION_AGREES']);
      }
      const first = await hashOf(server);
      for (const side of [server, peer]) await write(side, 'second key');
      const second = await hashOf(peer);
      const plan = await warns.judge('plan');
      expect(plan.verdicts).toEqual(['warn VALUE_DIFFERS']);
      expect(plan.findings[0]?.message).toMatch(
        new RegExp(`"app2" now says "${second} .*goes back to "${first} .*When the recovery point was taken, "app2" said "${first} `),
      );
      expect((await blocks.judge('plan')).verdicts).toEqual(['block VALUE_MUST_NOT_DIFFER']);

      // The server goes back, and its file with it.
      await write(server, 'first key');
      for (const phase of ['quarantine', 'live'] as const) {
        for (const judged of [warns, blocks]) expect((await judged.judge(phase)).verdicts).toEqual(['warn VALUE_STILL_DIFFERS']);
      }
      await write(server, await sh(peer, 'cat "$1"', KEY));
      expect((await blocks.judge('live')).verdicts).toEqual(['ok RELATION_AGREES']);
      expect(await hashOf(server)).toBe(second);
    });

    it('says of values that differed when they were captured together that they did', async () => {
      await write(server, 'of app1');
      await write(peer, 'of app2');
      const judged = relation({ program: '/bin/cat' });
      await judged.capture();
      const { verdicts, findings } = await judged.judge('plan');
      expect(verdicts).toEqual(['warn VALUE_DIFFERS']);
      expect(findings[0]?.message).toBe(
        `For "${KEY}", "app2" now says "of app2", and "app1" goes back to "of app1". When the recovery point was taken, "app2" said "of app2".`,
      );
    });

    it('takes a value that cannot be read for none, and for no agreement', async () => {
      const judged = relation();
      await judged.capture();
      await sh(peer, 'rm "$1"', KEY);
      const { verdicts, findings } = await judged.judge('plan');
      expect(verdicts).toEqual(['unknown PEER_UNKNOWN']);
      expect(findings[0]?.message).toMatch(/sha256sum in the guest ended with exit code 1: .*No such file/);
      const without = relation({ argument: '/etc/never' });
      await without.capture();
      expect((await without.judge('plan')).verdicts).toEqual(['unknown MARKER_NOT_CAPTURED', 'unknown PEER_UNKNOWN']);
    });
  });

  describe('clock', () => {
    const relation = (parameters: Readonly<Record<string, string>> = {}): JudgedRelation =>
      new JudgedRelation(shippedProfile('clock'), server, peer, parameters);
    const move = (side: Side, seconds: number): Promise<string> => sh(side, 'date -u -s "@$(($(date -u +%s) + $1))"', String(seconds));

    it('agrees with clocks that are right', async () => {
      for (const phase of ['plan', 'quarantine', 'live'] as const) expect((await relation().judge(phase)).verdicts).toEqual(['ok RELATION_AGREES']);
    });

    it.each([10, -10])('finds one that is %s minutes off, on either side, and no other', async (minutes) => {
      await move(peer, minutes * MINUTE_SECONDS);
      const { verdicts, steps } = await relation().judge('plan');
      expect(verdicts).toEqual(['step PEER_CLOCK_OFF']);
      expect(steps).toMatchObject([{ on: 'peer', when: 'live', title: 'Set the clock of "app2", and look why it is wrong.' }]);
      expect((await relation().judge('quarantine')).verdicts).toEqual(['ok RELATION_AGREES']);
      expect((await relation({ minutes: '20' }).judge('plan')).verdicts).toEqual(['ok RELATION_AGREES']);
      await move(peer, -minutes * MINUTE_SECONDS);

      await move(server, minutes * MINUTE_SECONDS);
      expect((await relation().judge('plan')).verdicts).toEqual(['ok RELATION_AGREES']);
      expect((await relation().judge('quarantine')).steps).toMatchObject([{ code: 'SERVER_CLOCK_OFF', on: 'server', when: 'quarantine' }]);
      expect((await relation().judge('live')).verdicts).toEqual(['block SERVER_CLOCK_STILL_OFF']);
      await move(server, -minutes * MINUTE_SECONDS);
      expect((await relation().judge('live')).verdicts).toEqual(['ok RELATION_AGREES']);
    });
  });

  it('max-age finds a recovery point that becomes too old, without asking anybody', async () => {
    const nobody: Side = { name: 'app1', target: () => ({ agent: null, address: null, facts: {}, now: () => new Date() }) };
    const relation = (severity: string): JudgedRelation =>
      new JudgedRelation(shippedProfile('max-age'), nobody, { ...nobody, name: 'app2' }, { hours: '0.001', severity });
    const [warns, blocks] = [relation('warn'), relation('block')];
    for (const judged of [warns, blocks]) {
      await judged.capture();
      expect((await judged.judge('plan')).verdicts).toEqual(['ok RELATION_AGREES']);
    }
    await eventually('it is too old', async () => (await warns.judge('plan')).verdicts.includes('warn RECOVERY_POINT_OLD'));
    await eventually('it is too old', async () => (await blocks.judge('plan')).verdicts.includes('block RECOVERY_POINT_TOO_OLD'));
  });
});
