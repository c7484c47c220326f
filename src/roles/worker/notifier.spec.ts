import type { AlertChannel, AlertMessage } from '../../contracts/alert';
import { ModosuError } from '../../contracts/errors';
import { ClockWatch } from '../../domain/clock-watch';
import type { SendAlert } from '../../notify/send-alert';
import { notifyUntil, review, sendDue, type NotifierDependencies } from './notifier';

const NOW = Date.UTC(2026, 2, 1);
const HOUR = 3_600_000;

/** A world in which everything that is done is written down. */
function world({ channels = ['webhook'] as readonly AlertChannel[] } = {}) {
  const done: string[] = [];
  const told: string[] = [];
  const state = { nowMs: 0, databaseMs: NOW, waiting: [] as string[], problems: new Map<string, string>(), failing: null as Error | null };
  const stop = new AbortController();
  const log = { info: (_: unknown, text: string) => void told.push(text), warn: (_: unknown, text: string) => void told.push(text), child: () => log };
  const send: SendAlert = async ({ deliveryId }) => state.problems.get(deliveryId) ?? null;
  const dependencies = {
    catalog: {
      reviewAlerts: async (given: readonly AlertChannel[], isBelieved: (now: Date) => boolean) => {
        if (state.failing !== null) throw state.failing;
        if (isBelieved(new Date(state.databaseMs))) done.push(`review ${given.join(' ')}`.trim());
        return { raised: 0, cleared: 0 };
      },
      nextAlertMessage: async (channel: AlertChannel) => {
        const at = state.waiting.findIndex((id) => (channel === 'email') === id.startsWith('mail'));
        const [deliveryId] = at === -1 ? [] : state.waiting.splice(at, 1);
        return deliveryId === undefined ? null : ({ deliveryId, channel, alert: { id: 'alrt_1' } } as unknown as AlertMessage);
      },
      recordAlertAttempt: async (id: string, problem: string | null) => void done.push(`${id} ${problem ?? 'delivered'}`),
    },
    channels: new Map(channels.map((channel) => [channel, send])),
    log,
    clock: new ClockWatch(),
    nowMs: () => state.nowMs,
  } as unknown as NotifierDependencies;
  return {
    done,
    told,
    state,
    stop,
    dependencies,
    review: () => review(dependencies),
    sendDue: (channel: AlertChannel = 'webhook') => sendDue(channel, send, stop.signal, dependencies),
  };
}

describe('the comparison', () => {
  it('knows the channels there are, also where there is none', async () => {
    for (const channels of [[], ['webhook', 'email']] as const) {
      const { done, review: compare } = world({ channels });
      await compare();
      expect(done).toEqual([`review ${channels.join(' ')}`.trim()]);
    }
  });

  it('is left while the time of day of PostgreSQL has jumped ahead: no server seems unprotected for that', async () => {
    const { done, told, state, review: compare } = world();
    await compare();
    state.nowMs += 15_000;
    state.databaseMs += 48 * HOUR;
    await compare();
    expect(done).toEqual(['review webhook']);
    expect(told).toEqual([expect.stringContaining('jumped ahead')]);
    state.nowMs += HOUR;
    state.databaseMs += HOUR;
    await compare();
    expect(done).toEqual(['review webhook', 'review webhook']);
  });
});

describe('sending by a channel', () => {
  it('goes on until no message is due', async () => {
    const { done, state, sendDue: sendNow } = world();
    state.waiting = ['a', 'mail1', 'b'];
    await sendNow();
    expect(done).toEqual(['a delivered', 'b delivered']);
  });

  it('writes down what kept a message, and leaves the others to the next time', async () => {
    const { done, told, state, sendDue: sendNow } = world();
    state.waiting = ['a', 'b'];
    state.problems.set('a', 'the receiver answered 503');
    await sendNow();
    expect(done).toEqual(['a the receiver answered 503']);
    expect(told).toEqual(['a message about an alert was not delivered']);
    await sendNow();
    expect(done.at(-1)).toBe('b delivered');
  });

  it('sends nothing more once it is stopped', async () => {
    const { done, state, stop, sendDue: sendNow } = world();
    state.waiting = ['a'];
    stop.abort();
    await sendNow();
    expect(done).toEqual([]);
  });
});

describe('the notifier', () => {
  const FAST = { reviewMs: 1, sendMs: 1 };
  /** Runs until the condition is so. */
  const until = async ({ stop, dependencies }: ReturnType<typeof world>, isSo: () => boolean): Promise<void> => {
    const ended = notifyUntil(stop.signal, dependencies, FAST);
    const deadline = performance.now() + 10_000;
    while (!isSo() && performance.now() < deadline) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    await ended;
    expect(isSo()).toBe(true);
  };

  it('compares and sends by the other channels while the receiver of one says nothing', async () => {
    const made = world({ channels: ['webhook', 'email'] });
    const { done, state, stop, dependencies } = made;
    state.waiting = ['a', 'mail1', 'mail2'];
    const silent: SendAlert = (_message, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve('stopped')));
    const email = dependencies.channels.get('email') ?? silent;
    await until(
      {
        ...made,
        stop,
        dependencies: {
          ...dependencies,
          channels: new Map([
            ['webhook', silent],
            ['email', email],
          ]),
        },
      },
      () => {
        return done.includes('mail2 delivered') && done.filter((what) => what.startsWith('review')).length >= 3;
      },
    );
    expect(done.at(-1)).toBe('a stopped');
  });

  it('sends while the comparison fails, and says once that it fails and once that it works again', async () => {
    const made = world();
    const { done, told, state } = made;
    state.failing = new ModosuError('CATALOG_UNAVAILABLE', 'away');
    let passes = 0;
    const dependencies = {
      ...made.dependencies,
      catalog: {
        ...made.dependencies.catalog,
        reviewAlerts: async (...given: Parameters<NotifierDependencies['catalog']['reviewAlerts']>) => {
          passes += 1;
          if (passes === 3) {
            state.failing = null;
            state.waiting = ['a'];
          }
          return made.dependencies.catalog.reviewAlerts(...given);
        },
      },
    };
    state.waiting = ['b'];
    await until({ ...made, dependencies }, () => done.includes('a delivered') && passes > 4);
    expect(done.indexOf('b delivered')).toBeLessThan(done.indexOf('review webhook'));
    expect(told).toEqual(['alerts: it failed and is tried again', 'alerts: it works again']);
  });
});
