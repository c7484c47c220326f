import { ModosuError } from '../../contracts/errors';
import { RetentionKeeper, type RetentionDependencies } from './retention';

type Removal = Awaited<ReturnType<RetentionDependencies['catalog']['listRemovals']>>[number];

/** A world in which everything that is done is written down. */
function world(
  changes: {
    readonly isSteady?: boolean;
    readonly removals?: readonly Removal[];
    readonly next?: () => readonly Removal[];
    readonly away?: ReadonlySet<string>;
    readonly needed?: ReadonlySet<string>;
    readonly judgeFails?: boolean;
    readonly forgotten?: number;
    readonly failed?: readonly { readonly serverId: string; readonly error: unknown }[];
    readonly inUse?: ReadonlyMap<string, string>;
    readonly canForget?: boolean;
    readonly hasNoData?: boolean;
    readonly forget?: (serverId: string, signal: AbortSignal) => Promise<void>;
  } = {},
) {
  const done: string[] = [];
  const warnings: unknown[] = [];
  const told: unknown[] = [];
  let nowMs = 0;
  const away = changes.away ?? new Set<string>();
  const dependencies = {
    catalog: {
      retireRecoveryPoints: async (keptMs: number, isTrusted: (now: Date) => boolean, removesData: boolean) => {
        if (changes.judgeFails === true) throw new ModosuError('CATALOG_UNAVAILABLE', 'away');
        done.push(`judges ${keptMs} ${String(isTrusted(new Date('2026-03-01T00:00:00Z')))}${removesData ? ' data too' : ''}`);
        return { expired: 0, returned: 0, deleted: 0, failed: changes.failed ?? [] };
      },
      forgetReadings: async () => {
        if (changes.judgeFails === true) throw new ModosuError('CATALOG_UNAVAILABLE', 'away');
        return changes.forgotten ?? 0;
      },
      listRemovals: async () => changes.next?.() ?? changes.removals ?? [],
      recordRemoved: async (id: string) => void done.push(`recorded ${id}`),
      dataInUseBy: async (serverId: string) => changes.inUse?.get(serverId) ?? null,
    },
    imageRepository: async (name: string) => ({
      remove: async (_serverId: string, id: string) => {
        if (away.has(name)) throw new ModosuError('REPOSITORY_UNREACHABLE', 'not mounted');
        if (changes.needed?.has(id) === true) throw new ModosuError('RECOVERY_POINT_NEEDED', 'rp_9 builds on it');
        done.push(`removed ${id} from ${name}`);
      },
    }),
    dataRepository: async () => {
      if (changes.hasNoData === true) throw new ModosuError('CONFIG_INVALID', 'not known yet');
      return {
        canForget: () => changes.canForget ?? true,
        forget: async (serverId: string, ids: readonly string[], { signal }: { readonly signal: AbortSignal }) => {
          await changes.forget?.(serverId, signal);
          done.push(`forgot ${ids.join(' ')} of ${serverId}`);
        },
      };
    },
    keptMs: 1000,
    log: { info: (_fields: unknown, message: string) => void told.push(message), warn: (_fields: unknown, message: string) => void warnings.push(message) },
    clock: { isSteady: () => changes.isSteady ?? true },
    nowMs: () => nowMs,
  } as unknown as RetentionDependencies;
  const keeper = new RetentionKeeper(dependencies);
  const pass = async (signal = new AbortController().signal): Promise<void> => {
    await keeper.judge();
    await keeper.remove(signal);
    await keeper.removeData(signal);
  };
  return { done, warnings, told, pass, keeper, wait: (ms: number) => (nowMs += ms) };
}

const removal = (id: string, repository: string): Removal => ({ kind: 'image', recoveryPointId: id, serverId: 'srv_1', repository });
const dataOf = (serverId: string, ...ids: readonly string[]): readonly Removal[] => ids.map((id) => ({ kind: 'data', recoveryPointId: id, serverId }));

it('removes what is deleted, and says so only then', async () => {
  const { done, pass } = world({ removals: [removal('rp_1', 'main')] });
  await pass();
  expect(done).toEqual(['judges 1000 true data too', 'removed rp_1 from main', 'recorded rp_1']);
});

it('forgets readings that nobody asks for, tells only where there were some, and tries again', async () => {
  const { told, keeper } = world({ forgotten: 3 });
  await keeper.forget();
  expect(told).toEqual(['removed what was read for plans and runs that are over']);
  const idle = world();
  await idle.keeper.forget();
  expect(idle.told).toEqual([]);
  const away = world({ judgeFails: true });
  await away.keeper.forget();
  expect(away.warnings).toEqual(['removing readings that nobody asks for: it failed and is tried again']);
});

it('trusts no clock that has jumped ahead', async () => {
  const { done, warnings, pass } = world({ isSteady: false });
  await pass();
  expect(done).toEqual(['judges 1000 false data too']);
  expect(warnings).toHaveLength(1);
});

it('a repository that is away keeps the others from nothing, and is told of once', async () => {
  const { done, warnings, pass } = world({ removals: [removal('rp_0', 'main'), removal('rp_1', 'main'), removal('rp_2', 'second')], away: new Set(['main']) });
  await pass();
  await pass();
  expect(done.filter((what) => what.startsWith('rec'))).toEqual(['recorded rp_2', 'recorded rp_2']);
  expect(warnings).toEqual(['removing from repository main: it failed and is tried again']);
});

it('one that others build on which the catalogue does not know stays, is told of once, and keeps the others from nothing', async () => {
  const { done, warnings, pass } = world({ removals: [removal('rp_1', 'main'), removal('rp_2', 'main')], needed: new Set(['rp_1']) });
  await pass();
  await pass();
  expect(done.filter((what) => what.startsWith('re'))).toEqual(['removed rp_2 from main', 'recorded rp_2', 'removed rp_2 from main', 'recorded rp_2']);
  expect(warnings).toEqual([expect.stringContaining('another one builds on it')]);
});

it('asks again after each one: what others build on is given when they are gone', async () => {
  const left = [removal('rp_child', 'main'), removal('rp_full', 'main')];
  const { done, pass } = world({ next: () => left.splice(0, 1) });
  await pass();
  expect(done.slice(1)).toEqual(['removed rp_child from main', 'recorded rp_child', 'removed rp_full from main', 'recorded rp_full']);
});

it('removes also while nothing can be judged', async () => {
  const { done, pass } = world({ removals: [removal('rp_1', 'main')], judgeFails: true });
  await pass();
  expect(done).toContain('recorded rp_1');
});

it('tells of servers that cannot be judged', async () => {
  const { warnings, pass } = world({ failed: [{ serverId: 'srv_1', error: new Error('locked') }] });
  await pass();
  await pass();
  expect(warnings).toEqual(['judging what stays: it failed and is tried again']);
});

it('ends when it is to end', async () => {
  const { done, pass } = world({ removals: [removal('rp_1', 'main')] });
  await pass(AbortSignal.abort(new Error('the worker stops')));
  expect(done).toEqual(['judges 1000 true data too']);
});

describe('data', () => {
  it('of one server goes in one go, beside images, and is written down when it is gone', async () => {
    const { done, pass } = world({ removals: [...dataOf('srv_2', 'rp_3', 'rp_4'), removal('rp_1', 'main'), ...dataOf('srv_1', 'rp_2')] });
    await pass();
    expect(done.slice(1)).toEqual([
      'removed rp_1 from main',
      'recorded rp_1',
      'forgot rp_3 rp_4 of srv_2',
      'recorded rp_3',
      'recorded rp_4',
      'forgot rp_2 of srv_1',
      'recorded rp_2',
    ]);
  });

  it('of a server that fails keeps that of the others from nothing, is told of once, and left alone for a while', async () => {
    const tries: string[] = [];
    const { done, warnings, pass, wait } = world({
      removals: [...dataOf('srv_1', 'rp_1'), ...dataOf('srv_2', 'rp_2')],
      forget: async (serverId) => {
        tries.push(serverId);
        if (serverId === 'srv_1') throw new ModosuError('RECOVERY_POINT_CORRUPT', 'a pack is missing');
      },
    });
    await pass();
    await pass();
    expect(tries).toEqual(['srv_1', 'srv_2', 'srv_2']);
    wait(15 * 60_000 + 1);
    await pass();
    expect(tries.slice(3)).toEqual(['srv_1', 'srv_2']);
    expect(done).not.toContain('recorded rp_1');
    expect(warnings).toEqual(['removing data of server srv_1: it failed and is tried again']);
  });

  it('in which somebody works is left alone', async () => {
    const inUse = new Map([['srv_1', 'run run_1']]);
    const { done, warnings, pass } = world({ removals: dataOf('srv_1', 'rp_1'), inUse });
    await pass();
    expect(done).toEqual(['judges 1000 true data too']);
    inUse.clear();
    await pass();
    expect(done).toContain('recorded rp_1');
    expect(warnings).toEqual([]);
  });

  it('gives way to whoever begins to work in its repository, and is tried again', async () => {
    const inUse = new Map<string, string>();
    let attempts = 0;
    const { done, warnings, pass } = world({
      removals: dataOf('srv_1', 'rp_1'),
      inUse,
      forget: async (_serverId, signal) => {
        attempts += 1;
        if (attempts > 1) return;
        inUse.set('srv_1', 'run run_1');
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
      },
    });
    await pass();
    expect(done).not.toContain('recorded rp_1');
    inUse.clear();
    await pass();
    expect(done).toContain('recorded rp_1');
    expect(warnings).toEqual([]);
  });

  it('is given up when the worker stops', async () => {
    const stop = new AbortController();
    const { done, warnings, pass } = world({
      removals: [...dataOf('srv_1', 'rp_1'), ...dataOf('srv_2', 'rp_2')],
      forget: async (_serverId, signal) => {
        stop.abort(new Error('the worker stops'));
        signal.throwIfAborted();
      },
    });
    await pass(stop.signal);
    expect(done).toEqual(['judges 1000 true data too']);
    expect(warnings).toEqual([]);
  });

  it('is left where nothing can be removed: no time is given for it, and that is told once', async () => {
    const { done, told, pass } = world({ removals: dataOf('srv_1', 'rp_1'), canForget: false });
    await pass();
    await pass();
    expect(done).toEqual(['judges 1000 true', 'judges 1000 true']);
    expect(told).toEqual([expect.stringContaining('MODOSU_DATA_MAINTENANCE_URL')]);
  });

  it('keeps images from nothing while its repository is not known', async () => {
    const { done, pass } = world({ removals: [removal('rp_1', 'main'), ...dataOf('srv_1', 'rp_2')], hasNoData: true });
    await pass();
    expect(done).toEqual(['judges 1000 true', 'removed rp_1 from main', 'recorded rp_1']);
  });
});
