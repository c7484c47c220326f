import { ModosuError } from '../../contracts/errors';
import type { CommandOutcome } from '../../system/child-process';
import { LibvirtGuestAgent } from './agent';

/** An agent behind scripted answers: each is the JSON of one reply, or virsh's error. */
function agentThat(...answers: (string | { readonly error: string })[]): { agent: LibvirtGuestAgent; asked: unknown[] } {
  const asked: unknown[] = [];
  const answering = async (_uuid: string, _command: string, args: readonly string[] = []): Promise<CommandOutcome> => {
    asked.push(JSON.parse(args.at(-1) ?? ''));
    const answer = (answers.length > 1 ? answers.shift() : answers[0]) ?? '';
    const common = { signal: null, truncated: false, timedOut: false };
    return typeof answer === 'string' ? { ...common, exitCode: 0, stdout: answer, stderr: '' } : { ...common, exitCode: 1, stdout: '', stderr: answer.error };
  };
  const virsh = { attemptOn: answering, attemptInSecretOn: answering };
  return { agent: new LibvirtGuestAgent(virsh, { uuid: '3f0c9c1e-1111-4222-8333-444455556666', name: 'db01' }), asked };
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const returns = (value: unknown): string => JSON.stringify({ return: value });
const SILENT = { error: 'error: Guest agent is not responding: QEMU guest agent is not connected' };
const ABSENT = { error: 'error: argument unsupported: QEMU guest agent is not configured' };

describe('LibvirtGuestAgent', () => {
  it('runs a program and waits for its end', async () => {
    const { agent, asked } = agentThat(
      returns({ pid: 42 }),
      returns({ exited: false }),
      returns({ exited: true, exitcode: 3, 'out-data': base64('out'), 'err-data': base64('戻す') }),
    );
    expect(await agent.exec(['/bin/x', '$(id)'], { timeoutMs: 5_000 })).toEqual({ exitCode: 3, stdout: 'out', stderr: '戻す', truncated: false });
    expect(asked[0]).toEqual({ execute: 'guest-exec', arguments: { path: '/bin/x', arg: ['$(id)'], 'capture-output': true } });
    expect(asked[1]).toEqual({ execute: 'guest-exec-status', arguments: { pid: 42 } });
  });

  it('asks in ASCII what virsh reads as typing; what is longer stays as short as it is: Linux takes 128 KiB of one argument', async () => {
    const texts: string[] = [];
    const answering = async (_uuid: string, _command: string, args: readonly string[] = []): Promise<CommandOutcome> => {
      texts.push(args.at(-1) ?? '');
      return { exitCode: 0, stdout: returns({ pid: 1 }), stderr: '', signal: null, truncated: false, timedOut: false };
    };
    const agent = new LibvirtGuestAgent({ attemptOn: answering, attemptInSecretOn: answering }, { uuid: '3f0c9c1e-1111-4222-8333-444455556666', name: 'db01' });
    for (const length of [10, 50_000]) await agent.start({ argv: ['/bin/x', 'ж'.repeat(length)] }, { timeoutMs: 1_000 });
    expect(texts[0]).toMatch(/^[\x20-\x7e]+$/);
    expect(Buffer.byteLength(texts[1] ?? '')).toBeLessThan(128 * 1024);
    expect(texts.map((text) => (JSON.parse(text) as { arguments: { arg: string[] } }).arguments.arg[0]?.length)).toEqual([10, 50_000]);
  });

  it('counts a program ended by a signal as shells do', async () => {
    expect((await agentThat(returns({ pid: 1 }), returns({ exited: true, signal: 9 })).agent.exec(['x'], { timeoutMs: 1_000 })).exitCode).toBe(137);
  });

  it('cuts a flood', async () => {
    const { agent } = agentThat(returns({ pid: 1 }), returns({ exited: true, exitcode: 0, 'out-data': base64('x'.repeat(10_000)) }));
    const result = await agent.exec(['x'], { timeoutMs: 1_000, maxOutputBytes: 100 });
    expect(result.stdout).toHaveLength(100);
    expect(result.truncated).toBe(true);
  });

  it('gives up on a program that does not end', async () => {
    const { agent } = agentThat(returns({ pid: 1 }), returns({ exited: false }));
    await expect(agent.exec(['/bin/hang'], { timeoutMs: 300 })).rejects.toMatchObject({ code: 'AGENT_COMMAND_FAILED', context: { pid: 1 } });
  });

  it.each([
    ['nothing', ''],
    ['no JSON', '<html>'],
    ['no return', '{"pid":1}'],
    ['a list', '[]'],
    ['no process id', returns({})],
    ['a process id that is none', returns({ pid: '1; rm' })],
  ])('does not believe %s', async (_what, answer) => {
    await expect(agentThat(answer).agent.exec(['x'], { timeoutMs: 1_000 })).rejects.toMatchObject({ code: 'AGENT_COMMAND_FAILED' });
  });

  it.each([
    ['no exit code', { exited: true }],
    ['an exit code that is none', { exited: true, exitcode: 'zero' }],
    ['output that is no base64', { exited: true, exitcode: 0, 'out-data': '<<<' }],
    ['output that is no text', { exited: true, exitcode: 0, 'out-data': 7 }],
  ])('never takes %s for a success', async (_what, status) => {
    await expect(agentThat(returns({ pid: 1 }), returns(status)).agent.exec(['x'], { timeoutMs: 1_000 })).rejects.toMatchObject({
      code: 'AGENT_COMMAND_FAILED',
    });
  });

  it('reads version and enabled commands, and drops what is none', async () => {
    const commands = [{ name: 'guest-exec', enabled: true }, { name: 'guest-shutdown', enabled: false }, { name: '<b>', enabled: true }, 'x', null];
    expect(await agentThat(returns({ version: '7.2.1', supported_commands: commands })).agent.info(1_000)).toEqual({
      version: '7.2.1',
      commands: ['guest-exec'],
    });
    expect(await agentThat(returns({ version: { evil: 1 } })).agent.info(1_000)).toEqual({ version: 'unknown', commands: [] });
  });

  it('waits through silence until it answers', async () => {
    const { agent, asked } = agentThat(SILENT, returns({}));
    await agent.waitUntilAnswering({ deadlineMs: 10_000, signal: new AbortController().signal });
    expect(asked).toHaveLength(2);
  });

  it('tells absence from silence and from refusal', async () => {
    await expect(agentThat(ABSENT).agent.info(1_000)).rejects.toMatchObject({ code: 'AGENT_ABSENT' });
    await expect(agentThat(SILENT).agent.info(1_000)).rejects.toMatchObject({ code: 'AGENT_SILENT' });
    const refused = { error: "error: internal error: unable to execute QEMU agent command 'guest-exec': Command guest-exec has been disabled" };
    await expect(agentThat(refused).agent.exec(['x'], { timeoutMs: 1_000 })).rejects.toMatchObject({
      code: 'GUEST_COMMAND_FORBIDDEN',
      message: expect.stringContaining('has been disabled') as string,
    });
  });

  it('tells an agent that others keep busy from a libvirt that does not answer', async () => {
    const timedOut = new ModosuError('HYPERVISOR_COMMAND_TIMED_OUT', 'libvirt did not answer');
    const behind = (libvirtAnswers: boolean): LibvirtGuestAgent =>
      new LibvirtGuestAgent(
        {
          attemptOn: async (_uuid, command) => {
            if (command === 'qemu-agent-command' || !libvirtAnswers) throw timedOut;
            return { exitCode: 0, stdout: 'running', stderr: '', signal: null, truncated: false, timedOut: false };
          },
          attemptInSecretOn: async () => Promise.reject(timedOut),
        },
        { uuid: '3f0c9c1e-1111-4222-8333-444455556666', name: 'db01' },
      );
    await expect(behind(true).info(1_000)).rejects.toMatchObject({ code: 'AGENT_SILENT' });
    await expect(behind(false).info(1_000)).rejects.toMatchObject({ code: 'HYPERVISOR_COMMAND_TIMED_OUT' });
    // While something may be frozen nobody has time for the difference.
    await expect(behind(false).isFrozen(1_000)).rejects.toMatchObject({ code: 'AGENT_SILENT' });
  });

  it('freezes, thaws and says how it stands', async () => {
    const { agent, asked } = agentThat(returns(2), returns('frozen'), returns(2), returns('thawed'));
    expect([await agent.freeze(1_000), await agent.isFrozen(1_000), await agent.thaw(1_000), await agent.isFrozen(1_000)]).toEqual([2, true, 2, false]);
    expect(asked.map((request) => (request as { execute: string }).execute)).toEqual([
      'guest-fsfreeze-freeze',
      'guest-fsfreeze-status',
      'guest-fsfreeze-thaw',
      'guest-fsfreeze-status',
    ]);
  });

  it('tells the clock of the guest, and believes none that is none', async () => {
    const { agent, asked } = agentThat(returns(1772366400250000000));
    expect(await agent.clock(1_000)).toEqual(new Date('2026-03-01T12:00:00.250Z'));
    expect(asked).toEqual([{ execute: 'guest-get-time' }]);
    for (const nonsense of [returns('now'), returns(1e300), returns(null)]) {
      await expect(agentThat(nonsense).agent.clock(1_000)).rejects.toMatchObject({ code: 'AGENT_COMMAND_FAILED' });
    }
  });

  it('believes no count and no state that makes no sense', async () => {
    for (const nonsense of [returns(-1), returns('2'), returns(1e9), returns(null)]) {
      await expect(agentThat(nonsense).agent.freeze(1_000)).rejects.toMatchObject({ code: 'AGENT_COMMAND_FAILED' });
    }
    await expect(agentThat(returns('perhaps')).agent.isFrozen(1_000)).rejects.toMatchObject({ code: 'AGENT_COMMAND_FAILED' });
  });

  it('tells a forbidden command from one that a frozen agent refuses for now', async () => {
    const refused = (text: string): { readonly error: string } => ({
      error: `error: internal error: unable to execute QEMU agent command 'guest-exec': ${text}`,
    });
    for (const text of [
      'Command guest-exec has been disabled',
      'Command guest-exec has been disabled: the command is not allowed',
      'The command guest-exec has not been found',
    ]) {
      await expect(agentThat(refused(text)).agent.exec(['x'], { timeoutMs: 1_000 })).rejects.toMatchObject({ code: 'GUEST_COMMAND_FORBIDDEN' });
    }
    await expect(
      agentThat(refused('Command guest-exec has been disabled: the agent is in frozen state')).agent.exec(['x'], { timeoutMs: 1_000 }),
    ).rejects.toMatchObject({
      code: 'AGENT_COMMAND_FAILED',
      context: { refused: true },
    });
  });
});
