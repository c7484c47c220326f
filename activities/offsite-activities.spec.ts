import { MockActivityEnvironment } from '@temporalio/testing';
import { FakeOffsiteRepository } from '../test/support/fake-offsite-repository';
import { ModosuError } from '../src/contracts/errors';
import type { OffsiteRepositoryView, TransferInput, TransferPoint, TransferView } from '../src/contracts/offsite-copies';
import type { ActivityDependencies } from './dependencies';
import { OffsiteCalls } from './offsite-activities';
import { PlanningJudgements } from './planning-activities';

const run = <T>(work: () => Promise<T>): Promise<T> => new MockActivityEnvironment().run(work) as Promise<T>;
const POINT: TransferPoint = { recoveryPointId: 'rp_1', serverId: 'srv_1', kind: 'image', repository: 'main', sizeBytes: 70, isLost: false };
const INPUT: TransferInput = { transferId: 'trf_1', kind: 'fetch', offsite: 'vault', hypervisor: 'kvm1', serverId: 'srv_1', points: [POINT], part: null };
const MOVED = { before: 0, total: 70 };

describe('fetching an image', () => {
  const world = (
    open: () => Promise<object>,
    requireSpace: () => Promise<void> = async () => undefined,
    fetchImage: () => Promise<void> = async () => undefined,
    atMostMs = 60_000,
  ) => {
    const done: string[] = [];
    const calls = new OffsiteCalls(
      {
        log: { info: (_fields: object, words: string) => done.push(words), warn() {}, error() {} },
        catalog: { manifestChecksum: async () => 'aa', recordTransferProgress: async () => undefined },
        imageRepository: async () => ({
          open,
          requireSpace,
          stageFetched: async () => '/fetching',
          readmit: async (_server: string, id: string, sha256: string) => (done.push(`readmit ${id} ${sha256}`), { manifestSha256: sha256 }),
        }),
        offsiteRepository: async () => ({
          openImage: async () => done.push('look'),
          fetchImage: async () => {
            done.push('fetch');
            await fetchImage();
          },
        }),
      } as unknown as ActivityDependencies,
      { pollMs: 1, atMostMs },
    );
    const environment = new MockActivityEnvironment({ scheduledTimestampMs: Date.now() });
    const fetch = (point: TransferPoint = POINT) => environment.run(() => calls.fetchOffsite(INPUT, point, MOVED)) as Promise<unknown>;
    return { done, fetch, cancel: () => environment.cancel() };
  };
  const failing = (code: ConstructorParameters<typeof ModosuError>[0]) => () => Promise.reject(new ModosuError(code, 'why'));

  it('leaves alone what is there', async () => {
    const { done, fetch } = world(async () => ({}));
    expect([await fetch(), done]).toEqual([null, []]);
  });

  it('brings what is gone, or is known to be damaged, and compares it with what was recorded', async () => {
    const gone = world(failing('RECOVERY_POINT_NOT_FOUND'));
    expect(await gone.fetch()).toEqual({ manifestSha256: 'aa', snapshotId: null });
    expect(gone.done).toEqual(['look', 'fetch', 'readmit rp_1 aa']);
    const damaged = world(async () => ({}));
    await damaged.fetch({ ...POINT, isLost: true });
    expect(damaged.done).toContain('fetch');
  });

  it('begins nothing in a repository that is away, or without room', async () => {
    const away = world(failing('REPOSITORY_UNREACHABLE'));
    await expect(away.fetch()).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE' });
    const full = world(failing('RECOVERY_POINT_NOT_FOUND'), failing('NOT_ENOUGH_SPACE'));
    await expect(full.fetch()).rejects.toMatchObject({ code: 'NOT_ENOUGH_SPACE' });
    expect([away.done, full.done]).toEqual([[], ['look']]);
  });

  it('waits while somebody is alone in the off-site repository, says so once, and not for ever', async () => {
    const locked = failing('OFFSITE_LOCKED');
    let turns = 0;
    const passing = world(failing('RECOVERY_POINT_NOT_FOUND'), undefined, async () => {
      turns += 1;
      if (turns < 4) await locked();
    });
    expect(await passing.fetch()).toEqual({ manifestSha256: 'aa', snapshotId: null });
    expect(passing.done.filter((word) => word.startsWith('waits'))).toHaveLength(1);
    expect(turns).toBe(4);
    await expect(world(failing('RECOVERY_POINT_NOT_FOUND'), undefined, locked, 5).fetch()).rejects.toMatchObject({ code: 'OFFSITE_LOCKED' });

    const cancelled: ReturnType<typeof world> = world(failing('RECOVERY_POINT_NOT_FOUND'), undefined, async () => {
      cancelled.cancel();
      await locked();
    });
    await expect(cancelled.fetch()).rejects.toMatchObject({ name: 'CancelledFailure' });
  });
});

describe('copying data', () => {
  const damaged = () => Promise.reject(new ModosuError('RECOVERY_POINT_CORRUPT', 'a pack is damaged'));
  const DATA = { ...POINT, kind: 'data', repository: null } as const;
  const BEFORE = '2026-01-01T00:00:00.000Z';
  interface World {
    readonly original?: () => Promise<void>;
    readonly mend?: () => Promise<void>;
    /** Reads of the copy that say it is damaged. */
    readonly misread?: number;
    readonly isThere?: boolean;
  }
  const world = ({ original, mend, misread = Infinity, isThere = true }: World = {}) => {
    const done: string[] = [];
    const calls = new OffsiteCalls({
      log: { info() {}, warn() {}, error() {} },
      catalog: { recordTransferProgress: async () => undefined, offsiteRepositories: async () => [] },
      dataRepository: async () => ({
        open: async () => ({ snapshotId: 's0' }),
        accessFromHere: async () => ({}),
        readAll: async () => {
          done.push('original');
          await original?.();
        },
      }),
      offsiteRepository: async () => ({
        copyData: async () => ({ snapshotIds: ['s'], copiedAt: BEFORE, sizeBytes: 70 }),
        readAll: async () => {
          done.push('copy');
          if (!done.includes('mend') && done.filter((word) => word === 'copy').length <= misread) await damaged();
        },
        list: async () => (isThere ? [{ recoveryPointId: DATA.recoveryPointId }] : []),
        mendData: async () => {
          done.push('mend');
          await mend?.();
          return { snapshotIds: ['mended'], copiedAt: BEFORE, sizeBytes: 70 };
        },
      }),
    } as unknown as ActivityDependencies);
    return { done, copy: () => run(() => calls.copyOffsite({ ...INPUT, kind: 'copy' }, DATA, MOVED)) };
  };

  it('that was read wrong once is as it was', async () => {
    const { done, copy } = world({ misread: 1 });
    await expect(copy()).resolves.toMatchObject({ snapshotIds: ['s'] });
    expect(done).toEqual(['copy', 'copy']);
  });

  it('that is damaged, and of which nothing is gone, stays; people are told what to do', async () => {
    const { copy } = world({ mend: damaged });
    await expect(copy()).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT', hint: expect.stringContaining('docs/OFFSITE.md') as string });
  });

  it('of which the copy is gone when a lock comes is tried again at once', async () => {
    const { copy } = world({ isThere: false, mend: () => Promise.reject(new ModosuError('OFFSITE_LOCKED', 'a prune goes on')) });
    await expect(copy()).rejects.toMatchObject({ code: 'OFFSITE_LOCKED', retry: 'later' });
  });

  it('that is damaged makes it anew, after the original was read to its end, and reads it again', async () => {
    const { done, copy } = world();
    await expect(copy()).resolves.toMatchObject({ snapshotIds: ['mended'] });
    expect(done).toEqual(['copy', 'copy', 'original', 'mend', 'copy']);
  });

  it('that is damaged here, too, keeps the copy that is there, and says how it is read again', async () => {
    const { done, copy } = world({ original: damaged });
    await expect(copy()).rejects.toMatchObject({
      code: 'RECOVERY_POINT_NOT_USABLE',
      hint: expect.stringContaining('modosu verify --data-of srv_') as string,
    });
    expect(done).not.toContain('mend');
  });

  it.each(['OFFSITE_LOCKED', 'OFFSITE_DELETE_REFUSED'] as const)('is not begun again and again while the repository says %s', async (code) => {
    const { copy } = world({ mend: () => Promise.reject(new ModosuError(code, 'not now')) });
    await expect(copy()).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT', retry: 'never', message: expect.stringContaining('not now') as string });
  });
});

describe('copying an image', () => {
  const damaged = () => Promise.reject(new ModosuError('RECOVERY_POINT_CORRUPT', 'a pack is damaged'));
  const well = async () => undefined;
  const BEFORE = '2026-01-01T00:00:00.000Z';
  const now = () => new Date(Date.now() + 60_000).toISOString();
  const world = (
    copiedAt: string,
    {
      readAll = well,
      verifyImage = well,
      others = 0,
      mend = well,
    }: { readAll?: () => Promise<void>; verifyImage?: () => Promise<void>; others?: number; mend?: () => Promise<void> } = {},
    done: string[] = [],
  ) => {
    const calls = new OffsiteCalls({
      log: { info() {}, warn() {}, error() {} },
      catalog: {
        manifestChecksum: async () => 'aa',
        recordTransferProgress: async () => undefined,
        offsiteRepositories: async () => [{ name: 'vault', damaged: others }],
      },
      imageRepository: async () => ({
        open: async () => ({ directory: '/rp', manifestSha256: 'aa', manifest: { disks: [{ image: {} }] } }),
        verifySmallFiles: well,
        verifyImage,
      }),
      offsiteRepository: async () => ({
        copyImage: async () => ({ snapshotIds: ['s'], copiedAt, sizeBytes: 70 }),
        readAll,
        list: async () => [{ recoveryPointId: POINT.recoveryPointId }],
        mendImage: async () => {
          done.push('mend');
          await mend();
          return { snapshotIds: ['mended'], copiedAt: now(), sizeBytes: 70 };
        },
      }),
    } as unknown as ActivityDependencies);
    return run(() => calls.copyOffsite({ ...INPUT, kind: 'copy' }, POINT, MOVED));
  };

  it('that is there already reads it before it counts: one that is damaged is no copy', async () => {
    await expect(world(BEFORE, { readAll: damaged })).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT' });
    await expect(world(BEFORE)).resolves.toMatchObject({ snapshotIds: ['s'] });
  });

  it('reads a new one only where another one is damaged: it may share that with it', async () => {
    await expect(world(now(), { readAll: damaged })).resolves.toMatchObject({ snapshotIds: ['s'] });
    await expect(world(now(), { readAll: damaged, others: 1 })).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT' });
  });

  it('that is damaged is made anew and read again; where that does not help people are told what to do', async () => {
    const done: string[] = [];
    let isMended = false;
    const readAll = async () => {
      if (!isMended) await damaged();
    };
    await expect(world(BEFORE, { readAll: () => readAll().finally(() => (isMended = true)) }, done)).resolves.toMatchObject({ snapshotIds: ['mended'] });
    await expect(world(BEFORE, { readAll: damaged }, done)).rejects.toMatchObject({ hint: expect.stringContaining('docs/OFFSITE.md') as string });
    expect(done).toEqual(['mend', 'mend']);
    // Somebody else uses the repository: it is not read again and again meanwhile.
    const locked = () => Promise.reject(new ModosuError('OFFSITE_LOCKED', 'a fetch goes on'));
    await expect(world(BEFORE, { readAll: damaged, mend: locked })).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT', retry: 'never' });
    // What is damaged here, too, makes nothing better there.
    await expect(world(BEFORE, { readAll: damaged, verifyImage: damaged }, done)).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_USABLE' });
    expect(done).toHaveLength(2);
  });

  it('that is damaged where it lies is no copy: it would look whole for ever', async () => {
    await expect(world(now(), { verifyImage: damaged })).rejects.toMatchObject({
      code: 'RECOVERY_POINT_NOT_USABLE',
      message: expect.stringContaining('itself is damaged where it lies') as string,
      hint: expect.stringContaining('modosu verify rp_1') as string,
    });
  });
});

it('copies that the catalogue knows are looked for', async () => {
  const repository = new FakeOffsiteRepository('vault', { isMade: true });
  const calls = new OffsiteCalls({
    catalog: { copiesIn: async () => ['rp_gone', 'rp_later'] },
    offsiteRepository: async () => repository,
  } as unknown as ActivityDependencies);
  expect(await run(() => calls.listOffsite(INPUT))).toEqual({ missing: ['rp_later', 'rp_gone'], there: [] });
});

describe('a plan from a copy', () => {
  const vault = { name: 'vault', state: 'here', seenAt: null, problem: null } as OffsiteRepositoryView;
  const ASKED = { planId: 'plan_1', serverId: 'srv_1', from: 'vault', recoveryPointId: null, incidentAt: null, dataSet: null, noData: false };
  const world = (place: OffsiteRepositoryView = vault, end: Partial<TransferView> = {}) => {
    const asked: string[] = [];
    const judgements = new PlanningJudgements({
      catalog: {
        offsiteRepositories: async () => [place],
        newestCopied: async () => ({ image: 'rp_image', data: [{ dataSet: 'shop', recoveryPointId: 'rp_shop' }] }),
        getServer: async (id: string) => ({ id, name: 'db01' }),
        getPlan: async () => ({ requestedBy: 'alice' }),
        requestTransfer: async ({ actor, recoveryPointId }: { actor: string; recoveryPointId: string }) => (
          asked.push(`${actor} ${recoveryPointId}`),
          { id: recoveryPointId }
        ),
        getTransfer: async () => ({ finishedAt: '2026-03-01T00:00:00.000Z', error: null, ...end }),
      },
    } as unknown as ActivityDependencies);
    return {
      asked,
      plan: (changes: Partial<Omit<typeof ASKED, 'recoveryPointId'>> & { recoveryPointId?: string } = {}) =>
        run(() => judgements.fetchForPlan({ ...ASKED, ...changes })),
    };
  };

  it('fetches the newest image that is copied, and data that comes back after it, in the name of whoever plans', async () => {
    const all = world();
    expect(await all.plan()).toBe('rp_image');
    expect(all.asked).toEqual(['alice rp_image', 'alice rp_shop']);
    const alone = world();
    await alone.plan({ noData: true });
    expect(alone.asked).toEqual(['alice rp_image']);
    const named = world();
    expect(await named.plan({ recoveryPointId: 'rp_other', noData: true })).toBe('rp_other');
  });

  it('says at once that a medium has to be brought, and asks for nothing', async () => {
    const { asked, plan } = world({ ...vault, state: 'offline', seenAt: '2026-02-28T00:00:00.000Z' });
    await expect(plan()).rejects.toMatchObject({
      type: 'OFFSITE_OFFLINE',
      nonRetryable: true,
      message: 'Off-site repository vault is offline: it was last seen at 2026-02-28T00:00:00.000Z.',
    });
    expect(asked).toEqual([]);
  });

  it('says what the API says where nothing is copied there, and asks for nothing', async () => {
    const { asked, plan } = world();
    await expect(plan({ dataSet: 'other' as unknown as null })).rejects.toMatchObject({
      code: 'NO_RECOVERY_POINT',
      message: 'Nothing of server "db01" that could be restored so has a whole copy in vault.',
    });
    expect(asked).toEqual([]);
  });

  it('fails with what its fetch has failed with', async () => {
    const error = new ModosuError('OFFSITE_CREDENTIALS_WRONG', 'the password opens nothing').summary();
    await expect(world(vault, { error }).plan()).rejects.toMatchObject({ type: 'OFFSITE_CREDENTIALS_WRONG', nonRetryable: true });
  });
});
