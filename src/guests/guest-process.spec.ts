import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostAgent } from '../../test/support/host-agent';
import { ModosuError } from '../contracts/errors';
import { endLeftovers, runInGuest, waitUntilNoneRuns } from './guest-process';
import { inBatches, statMany } from './files/many-paths';

const never = new AbortController().signal;

it('says which program is not there', async () => {
  await expect(runInGuest(new HostAgent(), { argv: ['no-such-program'] }, { signal: never })).rejects.toMatchObject({
    code: 'GUEST_PROGRAM_MISSING',
    context: { program: 'no-such-program' },
  });
});

it('ends the program when it is aborted, and tells of its life until then', async () => {
  const stopping = new AbortController();
  const agent = new HostAgent();
  let pid = 0;
  const running = runInGuest(agent, { argv: ['sleep', '60'] }, { signal: stopping.signal, onTick: (one) => void (pid = one) });
  setTimeout(() => stopping.abort(new Error('enough')), 300);
  await expect(running).rejects.toThrow('enough');
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});

it('waits for an agent that is silent or frozen, or whose hypervisor is away, for a while', async () => {
  const agent = new HostAgent();
  const answer = agent.outcome.bind(agent);
  const silences = [
    new ModosuError('AGENT_SILENT', 'no answer'),
    new ModosuError('HYPERVISOR_UNREACHABLE', 'libvirtd is restarted'),
    new ModosuError('HYPERVISOR_COMMAND_TIMED_OUT', 'it still starts'),
    new ModosuError('AGENT_COMMAND_FAILED', 'refused guest-exec-status: Command guest-exec-status has been disabled: the agent is in frozen state'),
  ];
  agent.outcome = (pid, options) => {
    const silence = silences.shift();
    return silence === undefined ? answer(pid, options) : Promise.reject(silence);
  };
  expect(await runInGuest(agent, { argv: ['echo', 'back'] }, { signal: never })).toMatchObject({ exitCode: 0, stdout: 'back\n' });
  agent.outcome = () => Promise.reject(new ModosuError('AGENT_COMMAND_FAILED', 'PID 7 does not exist'));
  await expect(runInGuest(agent, { argv: ['true'] }, { signal: never })).rejects.toMatchObject({ code: 'AGENT_COMMAND_FAILED' });
});

it('ends what has the argument exactly, and nothing else', async () => {
  const agent = new HostAgent();
  const mine = `3${process.pid}`;
  const [ours, others] = [await agent.start({ argv: ['sleep', '1', mine] }), await agent.start({ argv: ['sleep', '1', `${mine}1`] })];
  expect(await endLeftovers(agent, 'sleep', mine, never)).toBe(1);
  expect(await endLeftovers(agent, 'sleep', mine, never)).toBe(0);
  expect(() => process.kill(others, 0)).not.toThrow();
  expect(() => process.kill(ours, 0)).toThrow('ESRCH');
  process.kill(others);
});

it('waits until a program that somebody else has started has ended, also one that an interpreter runs', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'modosu-guest-process-'));
  const script = join(directory, 'stop-service');
  writeFileSync(script, '#!/bin/sh\nwhile [ -e "$1" ]; do sleep 0.05; done\n', { mode: 0o755 });
  const flag = join(directory, 'flag');
  writeFileSync(flag, '');
  try {
    const agent = new HostAgent();
    await agent.start({ argv: [script, flag] });
    let over = false;
    const waiting = waitUntilNoneRuns(agent, [script, flag], { signal: never }).then(() => (over = true));
    await waitUntilNoneRuns(agent, [script, `${flag}-other`], { signal: never });
    await waitUntilNoneRuns(agent, [script], { signal: never });
    // One that reads the script, and does not run it.
    await agent.start({ argv: ['tail', '-f', script] });
    await waitUntilNoneRuns(agent, ['tail', script], { signal: never });
    expect(over).toBe(false);
    await expect(waitUntilNoneRuns(agent, [script, flag], { signal: AbortSignal.timeout(100) })).rejects.toMatchObject({ name: 'TimeoutError' });
    rmSync(flag);
    await waiting;
    expect(over).toBe(true);
  } finally {
    spawnSync('pkill', ['-f', `tail -f ${script}`]);
    rmSync(directory, { recursive: true, force: true });
  }
});

it('knows a program that was found on the way, and one with a long name', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'modosu-guest-process-'));
  const name = 'stop-the-service-of-the-shop-データ';
  writeFileSync(join(directory, name), '#!/bin/sh\nsleep 61\n', { mode: 0o755 });
  try {
    const agent = new HostAgent();
    const pid = await agent.start({ argv: [join(directory, name)] });
    for (const argv of [[name], [join(directory, name)]] as const) {
      await expect(waitUntilNoneRuns(agent, argv, { signal: AbortSignal.timeout(300) })).rejects.toMatchObject({ name: 'TimeoutError' });
    }
    await waitUntilNoneRuns(agent, [join('/elsewhere', name)], { signal: never });
    spawnSync('pkill', ['-P', String(pid)]);
    process.kill(pid);
    await waitUntilNoneRuns(agent, [name], { signal: never });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

it('takes no silence for the end of a program', async () => {
  const agent = new HostAgent();
  const pid = await agent.start({ argv: ['sleep', '61.5'] });
  agent.readFile = () => Promise.reject(new ModosuError('AGENT_SILENT', 'no answer'));
  await expect(waitUntilNoneRuns(agent, ['sleep', '61.5'], { signal: never })).rejects.toMatchObject({ code: 'AGENT_SILENT' });
  process.kill(pid);
});

it('makes groups that fit on one standard input', () => {
  const paths = Array.from({ length: 3_000 }, (_, number) => `/${'x'.repeat(99)}${number}`);
  const batches = inBatches(paths, (path) => [path]);
  expect(batches.flat()).toEqual(paths);
  for (const batch of batches) expect(Buffer.byteLength(batch.map((path) => `${path}\0`).join(''))).toBeLessThanOrEqual(100 * 1024);
  expect(inBatches([1, 2, 3], () => ['/a'], 2)).toEqual([[1, 2], [3]]);
  expect(() => inBatches(['/'.repeat(200_000)], (path) => [path])).toThrow('too long');
});

it('believes no answer of stat about what was not asked', async () => {
  const agent = new HostAgent();
  agent.outcome = () => Promise.resolve({ exitCode: 0, stdout: '1\x002\x0081a4\x000\x005\x00/etc/shadow\x00', stderr: '', truncated: false });
  await expect(statMany(agent, ['/etc/passwd'], { signal: never })).rejects.toMatchObject({ code: 'DATA_RESTORE_FAILED' });
});
