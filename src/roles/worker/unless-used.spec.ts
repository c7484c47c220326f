import { setTimeout as delay } from 'node:timers/promises';
import { unlessUsed } from './unless-used';

const never = new AbortController().signal;
const untilAborted = (signal: AbortSignal): Promise<void> => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

it('does what nobody is disturbed by', async () => {
  let isDone = false;
  const work = async (): Promise<void> => {
    await delay(20);
    isDone = true;
  };
  expect(await unlessUsed({ inUseBy: async () => null, signal: never, lookMs: 1 }, work)).toBeNull();
  expect(isDone).toBe(true);
});

it('does not begin while somebody is there', async () => {
  const work = jest.fn<Promise<void>, []>();
  expect(await unlessUsed({ inUseBy: async () => 'run run_1', signal: never }, work)).toBe('run run_1');
  expect(work).not.toHaveBeenCalled();
});

it.each<[string, () => Promise<string | null>, string]>([
  ['somebody comes', async () => 'run run_1', 'run run_1'],
  ['nobody can tell any more', () => Promise.reject(new Error('PostgreSQL is away')), 'nobody can tell'],
  ['the answer does not come', () => new Promise(() => undefined), 'nobody can tell'],
])('gives up when %s', async (_what, later, use) => {
  let asked = 0;
  const inUseBy = (): Promise<string | null> => ((asked += 1) <= 2 ? Promise.resolve(null) : later());
  expect(await unlessUsed({ inUseBy, signal: never, lookMs: 1 }, untilAborted)).toBe(use);
});

it('says what went wrong, and why it was stopped', async () => {
  const free = { inUseBy: async () => null, lookMs: 1 };
  await expect(unlessUsed({ ...free, signal: never }, () => Promise.reject(new Error('damaged')))).rejects.toThrow('damaged');
  const stop = new AbortController();
  const stopped = unlessUsed({ ...free, signal: stop.signal }, untilAborted);
  stop.abort(new Error('the worker stops'));
  await expect(stopped).rejects.toThrow('the worker stops');
  await expect(unlessUsed({ inUseBy: () => Promise.reject(new Error('away')), signal: never }, async () => undefined)).rejects.toThrow('away');
});
