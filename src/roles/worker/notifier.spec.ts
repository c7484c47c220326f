import type { AlertChannel, AlertMessage } from '../../contracts/alert';
import { ModosuError } from '../../contracts/errors';
import { Notifier, type NotifierDependencies } from './notifier';

/** A world in which everything that is done is written down. */
function world({ channels = ['webhook'] as readonly AlertChannel[] } = {}) {
  const done: string[] = [];
  const told: string[] = [];
  const state = { nowMs: 0, waiting: [] as string[], problems: new Map<string, string>(), failing: null as Error | null };
  const stop = new AbortController();
  const notifier = new Notifier({
    catalog: {
      reviewAlerts: async (given: readonly AlertChannel[]) => {
        if (state.failing !== null) throw state.failing;
        done.push(`review ${given.join(' ')}`.trim());
        return { raised: 0, cleared: 0 };
      },
      nextAlertMessage: async (channel: AlertChannel) => {
        const at = state.waiting.findIndex((id) => (channel === 'email') === id.startsWith('mail'));
        const [deliveryId] = at === -1 ? [] : state.waiting.splice(at, 1);
        return deliveryId === undefined ? null : ({ deliveryId, channel, alert: { id: 'alrt_1' } } as unknown as AlertMessage);
      },
      recordAlertAttempt: async (id: string, problem: string | null) => void done.push(`${id} ${problem ?? 'delivered'}`),
    },
    channels: new Map(channels.map((channel) => [channel, async ({ deliveryId }: AlertMessage) => state.problems.get(deliveryId) ?? null])),
    log: { info: (_: unknown, text: string) => void told.push(text), warn: (_: unknown, text: string) => void told.push(text) },
    nowMs: () => state.nowMs,
  } as unknown as NotifierDependencies);
  return { done, told, state, stop, pass: () => notifier.pass(stop.signal) };
}

describe('a pass of the notifier', () => {
  it('compares every 15 s, and sends all that is due each time', async () => {
    const { done, state, pass } = world();
    state.waiting = ['a', 'b'];
    await pass();
    state.nowMs = 14_999;
    state.waiting = ['c'];
    await pass();
    state.nowMs = 15_000;
    await pass();
    expect(done).toEqual(['review webhook', 'a delivered', 'b delivered', 'c delivered', 'review webhook']);
  });

  it('writes down what kept a message, and leaves the others to the next pass', async () => {
    const { done, told, state, pass } = world();
    state.waiting = ['a', 'b'];
    state.problems.set('a', 'the receiver answered 503');
    await pass();
    expect(done).toEqual(['review webhook', 'a the receiver answered 503']);
    expect(told).toEqual(['a message about an alert was not delivered']);
    await pass();
    expect(done.at(-1)).toBe('b delivered');
  });

  it('sends by one channel while the receiver of another is away', async () => {
    const { done, state, pass } = world({ channels: ['webhook', 'email'] });
    state.waiting = ['a', 'b', 'mail1', 'mail2'];
    state.problems.set('a', 'the receiver cannot be reached');
    await pass();
    expect(done.toSorted()).toEqual(['a the receiver cannot be reached', 'mail1 delivered', 'mail2 delivered', 'review webhook email']);
  });

  it('keeps alerts where there is no channel', async () => {
    const { done, pass } = world({ channels: [] });
    await pass();
    expect(done).toEqual(['review']);
  });

  it('goes on when the catalogue was away, and says so once', async () => {
    const { done, told, state, pass } = world();
    state.failing = new ModosuError('CATALOG_UNAVAILABLE', 'away');
    await pass();
    await pass();
    state.failing = null;
    await pass();
    expect(told).toEqual(['alerts: it failed and is tried again', 'alerts: it works again']);
    expect(done).toEqual(['review webhook']);
  });

  it('sends nothing more once it is stopped', async () => {
    const { done, state, stop, pass } = world();
    state.waiting = ['a'];
    stop.abort();
    await pass();
    expect(done).toEqual(['review webhook']);
  });
});
