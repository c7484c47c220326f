import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ONE_UUID as UUID, OneServer } from '../../../../test/support/one-server';
import { newId } from '../../../contracts/ids';
import type { Fence } from '../../../contracts/server';
import { withFence } from '../swaps/domain-rewrite';
import { Domains, powerStateOf } from './domains';
import { Fences } from './fence';
import { Power } from './power';
import { Stops } from './stops';

const server = { uuid: UUID, name: 'db01' };
const DEFINITION = `<domain type='qemu'><name>db01</name><uuid>${UUID}</uuid><memory>1024</memory><os><type arch='x86_64' machine='q35'>hvm</type></os><devices/></domain>`;
const fencedOff = { code: 'FENCED_OFF', context: { uuid: UUID, token: 7 } };

describe('the fence around the power of a server', () => {
  let directory: string;
  let virsh: OneServer;
  let power: Power;
  let ours: Fence;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-power-'));
    virsh = new OneServer({ name: 'kvm1', uri: 'qemu:///system', stateDirectory: directory });
    const domains = new Domains(virsh);
    power = new Power(virsh, domains, new Fences(virsh, domains), new Stops(directory));
    ours = { runId: newId('run'), token: 7 };
    virsh.definition = withFence(DEFINITION, ours);
  });
  afterEach(() => {
    jest.restoreAllMocks();
    rmSync(directory, { recursive: true, force: true });
  });

  const takenOver = (): void => {
    virsh.definition = withFence(DEFINITION, { runId: newId('run'), token: 8 });
  };
  const takenOverAfter = (command: string): void => {
    virsh.meanwhile = (called) => {
      if (called === command) takenOver();
    };
  };
  const before = (command: string): readonly (string | undefined)[] =>
    virsh.calls.flatMap((called, index) => (called === command ? [virsh.calls[index - 1]] : []));

  it('is read right before it is started, asked to shut down, and its power is cut', async () => {
    await power.start(server, ours);
    // Each look at the clock is some seconds later than the one before.
    let now = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => (now += 4_000));
    await expect(power.shutDown(server, ours, { deadlineMs: 10_000, signal: new AbortController().signal })).rejects.toMatchObject({ code: 'STOP_TIMED_OUT' });
    await power.powerOff(server, ours);
    expect([before('start'), before('shutdown'), before('destroy')]).toEqual([['dumpxml'], ['dumpxml'], ['dumpxml']]);
  });

  it('keeps a server off that was taken over after the first look', async () => {
    takenOverAfter('dominfo');
    await expect(power.start(server, ours)).rejects.toMatchObject(fencedOff);
    expect(virsh.isRunning).toBe(false);
  });

  it('keeps a server running that was taken over after the first look', async () => {
    virsh.isRunning = true;
    takenOverAfter('dominfo');
    await expect(power.powerOff(server, ours)).rejects.toMatchObject(fencedOff);
    expect(virsh.isRunning).toBe(true);
  });

  it('lets a guest be asked to shut down once only when its server was taken over since', async () => {
    virsh.isRunning = true;
    takenOverAfter('shutdown');
    // Every look at the clock is half a minute later than the one before.
    let now = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => (now += 30_000));
    await expect(power.shutDown(server, ours, { deadlineMs: 600_000, signal: new AbortController().signal })).rejects.toMatchObject(fencedOff);
    expect(virsh.calls.filter((command) => command === 'shutdown')).toHaveLength(1);
  });

  it('keeps a run that was fenced off since from being taken for the one that has stopped it', async () => {
    const stops = new Stops(directory);
    const newer = newId('run');
    virsh.isRunning = true;
    virsh.meanwhile = (command) => {
      if (command !== 'shutdown') return;
      takenOver();
      // As the run that has taken it over does when it stops it.
      mkdirSync(join(directory, 'stops'), { recursive: true });
      writeFileSync(join(directory, 'stops', UUID), `${newer}\n`);
    };
    let now = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => (now += 30_000));
    await expect(power.shutDown(server, ours, { deadlineMs: 600_000, signal: new AbortController().signal })).rejects.toMatchObject(fencedOff);
    expect(await stops.by(server, newer)).toBe('stopped');
  });

  it('knows who stops it before its guest hears of that, also when it runs on, and believes nobody who does not hold it', async () => {
    const stops = new Stops(directory);
    virsh.isRunning = true;
    const known: string[] = [];
    virsh.meanwhile = (command) => void (command === 'shutdown' && known.push(readFileSync(join(directory, 'stops', UUID), 'utf8')));
    let now = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => (now += 4_000));
    await expect(power.shutDown(server, ours, { deadlineMs: 10_000, signal: new AbortController().signal })).rejects.toMatchObject({ code: 'STOP_TIMED_OUT' });
    expect(known).toEqual([`${ours.runId}\n`]);
    takenOver();
    const late = { runId: newId('run'), token: 7 };
    await expect(power.powerOff(server, late)).rejects.toMatchObject(fencedOff);
    expect([await stops.by(server, late.runId), await stops.by(server, ours.runId)]).toEqual(['none', 'stopped']);
  });

  it('knows that who has stopped it has started it again only once it was off', async () => {
    const stops = new Stops(directory);
    await power.start(server, ours);
    expect(await stops.by(server, ours.runId)).toBe('none');
    // Its guest was asked to stop, and may do so at any moment.
    await stops.record(server, ours.runId);
    await power.start(server, ours);
    expect(await stops.by(server, ours.runId)).toBe('stopped');
    virsh.isRunning = false;
    await power.start(server, ours);
    expect(await stops.by(server, ours.runId)).toBe('started-again');
    await power.powerOff(server, ours);
    expect(await stops.by(server, ours.runId)).toBe('stopped');
  });

  it('says of a newer run nothing that an older one was late to say', async () => {
    const stops = new Stops(directory);
    const newer = newId('run');
    await stops.record(server, ours.runId);
    jest.spyOn(stops, 'by').mockImplementationOnce(async () => {
      await stops.record(server, newer);
      return 'stopped';
    });
    await stops.recordStart(server, ours.runId);
    expect([await stops.by(server, ours.runId), await stops.by(server, newer)]).toEqual(['none', 'stopped']);
  });

  it('lets a server start although that cannot be written down', async () => {
    const stops = new Stops(directory);
    await stops.record(server, ours.runId);
    mkdirSync(join(directory, 'stops', `${UUID}.started`));
    await power.start(server, ours);
    expect([virsh.isRunning, await stops.by(server, ours.runId).catch(() => 'unreadable')]).toEqual([true, 'unreadable']);
  });
});

describe('what libvirt says of a server', () => {
  it.each([
    ['shut off', '-', 'off'],
    ['crashed', '-', 'off'],
    // Its process is there: the disks may be in use.
    ['crashed', '7', 'paused'],
    ['shut off', '7', 'running'],
    ['in shutdown', '7', 'running'],
    ['a word of the future', '-', 'running'],
    ['', '', 'running'],
  ])('"%s", id "%s", is taken for %s', (word, id, state) => {
    expect(powerStateOf(word, id)).toBe(state);
  });
});
