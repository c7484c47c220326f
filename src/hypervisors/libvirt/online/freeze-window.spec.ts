import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ModosuError } from '../../../contracts/errors';
import type { GuestAgent } from '../../../guests/guest-agent';
import { FreezeRefused, insideFreeze } from './freeze-window';
import { GuardFiles } from './guard-state';
import { WorkerWord } from './worker-word';

/** An agent that notes what it is asked to do. `frozenByOthers`: somebody else's freeze, which a thaw of ours would end. */
function scriptedAgent(options: { readonly frozenByOthers?: boolean; readonly silentStatus?: boolean } = {}): { agent: GuestAgent; asked: string[] } {
  const asked: string[] = [];
  let isFrozen = options.frozenByOthers === true;
  const agent = {
    isFrozen: async () => {
      if (options.silentStatus === true) throw new ModosuError('AGENT_SILENT', 'nobody answers');
      return isFrozen;
    },
    freeze: async () => {
      asked.push('freeze');
      if (isFrozen) throw new ModosuError('AGENT_COMMAND_FAILED', 'frozen already', { context: { refused: true } });
      isFrozen = true;
      return 2;
    },
    thaw: async () => {
      asked.push('thaw');
      isFrozen = false;
      return 2;
    },
  };
  return { agent: agent as unknown as GuestAgent, asked };
}

describe('the freeze window', () => {
  let directory: string;
  let files: GuardFiles;
  let word: WorkerWord;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'modosu-freeze-'));
    files = new GuardFiles(directory);
    word = await WorkerWord.takeOver(files, { freezes: [], job: 'none', jobAskedAtMs: null, rateLimited: false, afterHookOwed: false });
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('begins between freeze and thaw', async () => {
    const { agent, asked } = scriptedAgent();
    const taken = await insideFreeze({ name: 'db01', agent, word, files }, async () => void asked.push('begin'));
    expect(asked).toEqual(['freeze', 'begin', 'thaw']);
    expect(taken).toMatchObject({ held: true, note: null });
    expect(word.said.freezes).toMatchObject([{ answered: true, thawed: true }]);
  });

  it.each([
    ['forward', 86_400_000],
    ['back', -86_400_000],
  ])('is measured on a clock that does not jump: the time of day is set a day %s meanwhile', async (_where, byMs) => {
    const { agent } = scriptedAgent();
    let givenMs = 0;
    jest.useFakeTimers({
      doNotFake: [
        'hrtime',
        'nextTick',
        'performance',
        'queueMicrotask',
        'setImmediate',
        'clearImmediate',
        'setInterval',
        'clearInterval',
        'setTimeout',
        'clearTimeout',
      ],
    });
    try {
      const jumpedTo = Date.now() + byMs;
      const freeze = agent.freeze.bind(agent);
      agent.freeze = async (timeoutMs) => {
        jest.setSystemTime(jumpedTo);
        return freeze(timeoutMs);
      };
      const taken = await insideFreeze({ name: 'db01', agent, word, files }, async (timeoutMs) => void (givenMs = timeoutMs));
      expect(taken).toMatchObject({ held: true, tooLong: false, note: null });
      expect(taken.frozenMs).toBeLessThan(5_000);
    } finally {
      jest.useRealTimers();
    }
    expect(givenMs).toBeGreaterThan(3_000);
    expect(givenMs).toBeLessThanOrEqual(8_000);
  });

  it('thaws also when what was to be begun has failed', async () => {
    const { agent, asked } = scriptedAgent();
    await expect(insideFreeze({ name: 'db01', agent, word, files }, () => Promise.reject(new Error('no job')))).rejects.toThrow('no job');
    expect(asked).toEqual(['freeze', 'thaw']);
  });

  it.each([
    ['somebody else has frozen the guest', { frozenByOthers: true }],
    ['the agent has fallen silent', { silentStatus: true }],
  ])('neither freezes nor thaws when %s', async (_what, options) => {
    const { agent, asked } = scriptedAgent(options);
    await expect(insideFreeze({ name: 'db01', agent, word, files }, async () => void asked.push('begin'))).rejects.toBeInstanceOf(FreezeRefused);
    expect(asked).toEqual([]);
    expect(word.said.freezes).toEqual([]);
  });
});
