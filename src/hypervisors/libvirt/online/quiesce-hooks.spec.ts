import { ModosuError } from '../../../contracts/errors';
import type { CommandResult, GuestAgent } from '../../../guests/guest-agent';
import { runAfterHook, runBeforeHook } from './quiesce-hooks';

const HOOK = ['/usr/local/bin/resume'] as const;
const silent = new ModosuError('AGENT_SILENT', 'cannot acquire state change lock');
const ended = (exitCode: number, stderr = ''): CommandResult => ({ exitCode, stdout: '', stderr }) as CommandResult;

/** Answers in this order; the last answer for ever. */
function agentOf(...answers: readonly (CommandResult | ModosuError)[]): { readonly agent: GuestAgent; readonly calls: () => number } {
  let calls = 0;
  const exec = async (): Promise<CommandResult> => {
    const answer = answers[Math.min(calls, answers.length - 1)]!;
    calls += 1;
    if (answer instanceof ModosuError) throw answer;
    return answer;
  };
  return { agent: { exec } as unknown as GuestAgent, calls: () => calls };
}

describe('hooks around a freeze', () => {
  it('the one afterwards is asked for again while the agent does not answer: what was made quiet has to be woken', async () => {
    const { agent, calls } = agentOf(silent, silent, ended(0));
    expect(await runAfterHook(agent, HOOK)).toBeNull();
    expect(calls()).toBe(3);
  });

  it('but not for ever, and not once nobody is left to be woken', async () => {
    const impatient = agentOf(silent);
    expect(await runAfterHook(impatient.agent, HOOK, { patienceMs: 100 })).toBe('cannot acquire state change lock');
    const off = agentOf(silent);
    expect(await runAfterHook(off.agent, HOOK, { isOff: async () => true })).toBe('cannot acquire state change lock');
    expect([impatient.calls(), off.calls()]).toEqual([1, 1]);
  });

  it.each([
    ['has run and failed', ended(3, 'no such service\u001b[2J'), '/usr/local/bin/resume ended with exit code 3: no such service [2J'],
    ['may not be run', new ModosuError('GUEST_COMMAND_FORBIDDEN', 'guest-exec is disabled'), 'guest-exec is disabled'],
    ['had not ended in time', new ModosuError('AGENT_COMMAND_FAILED', 'had not ended after 60 s'), 'had not ended after 60 s'],
  ])('one that %s is not run again', async (_, answer, said) => {
    const { agent, calls } = agentOf(answer, ended(0));
    expect(await runAfterHook(agent, HOOK)).toBe(said);
    expect(calls()).toBe(1);
  });

  it('the one before is asked for once: without it there is no freeze', async () => {
    const { agent, calls } = agentOf(silent, ended(0));
    expect(await runBeforeHook(agent, HOOK)).toBe('cannot acquire state change lock');
    expect(calls()).toBe(1);
  });

  it('none declared is fine; a fault of ours is none of the guest', async () => {
    expect(await runAfterHook(agentOf(silent).agent, null)).toBeNull();
    await expect(runAfterHook(agentOf(new ModosuError('INTERNAL', 'broken')).agent, HOOK)).rejects.toThrow('broken');
  });
});
