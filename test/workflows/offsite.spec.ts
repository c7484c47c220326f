import { Context } from '@temporalio/activity';
import type { TransferInput, TransferOutcome } from '../../src/contracts/offsite-copies';
import { BACKUP } from './cast';
import { failing, openStage, Rehearsal, type Scripted } from './harness';

jest.setTimeout(180_000);
let stage: Awaited<ReturnType<typeof openStage>>;
beforeAll(async () => void (stage = await openStage()));
afterAll(() => stage.close());

const point = (recoveryPointId: string, sizeBytes: number) =>
  ({ recoveryPointId, serverId: BACKUP.serverId, kind: 'image', repository: 'main', sizeBytes, isLost: false }) as const;
const INPUT: TransferInput = {
  transferId: 'trf_01aaaaaaaaaaaaaaaaaaaaaaaa',
  kind: 'copy',
  offsite: 'vault',
  hypervisor: BACKUP.hypervisor,
  serverId: BACKUP.serverId,
  points: [point('rp_full', 70), point('rp_child', 30)],
  part: null,
};

/** What it says in the end, and of which recovery points. */
async function play(changes: Partial<TransferInput> = {}, scripted: Scripted = {}, meanwhile?: Parameters<Rehearsal['play']>[2]) {
  const said: string[] = [];
  let outcome: TransferOutcome | null = null;
  const rehearsal = new Rehearsal(stage, {
    recordCopied: async (_id, recoveryPointId, { sizeBytes }) => void said.push(`copied ${recoveryPointId} ${sizeBytes}`),
    recordFetched: async (_id, recoveryPointId) => void said.push(`fetched ${recoveryPointId}`),
    recordCopyDamaged: async (_id, recoveryPointId, { code }) => void said.push(`damaged ${recoveryPointId} ${code}`),
    finishTransfer: async (_id, ended) => void (outcome = ended),
    ...scripted,
  });
  expect(await rehearsal.play('offsiteTransfer', { ...INPUT, ...changes }, meanwhile)).toBe('COMPLETED');
  return { calls: rehearsal.calls, said, outcome: outcome as TransferOutcome | null };
}
const done = { state: 'succeeded', error: null };

describe('a copy', () => {
  it('moves what others build on first, says how far it is, and writes each down when it is whole', async () => {
    const moved: unknown[] = [];
    const { said, outcome } = await play(
      {},
      {
        copyOffsite: async (_input, { recoveryPointId, sizeBytes }, progress) => {
          moved.push([recoveryPointId, progress]);
          return { snapshotIds: ['s'], copiedAt: '2026-03-02T12:00:00.000Z', sizeBytes };
        },
      },
    );
    expect(moved).toEqual([
      ['rp_full', { before: 0, total: 100 }],
      ['rp_child', { before: 70, total: 100 }],
    ]);
    expect(said).toEqual(['copied rp_full 70', 'copied rp_child 30']);
    expect(outcome).toEqual(done);
  });

  it('that fails keeps what was copied before, and names the failure', async () => {
    let calls = 0;
    const { said, outcome } = await play(
      {},
      {
        copyOffsite: async (_input, { sizeBytes }) => {
          calls += 1;
          if (calls > 1) return failing('OFFSITE_CREDENTIALS_WRONG')();
          return { snapshotIds: ['s'], copiedAt: '2026-03-02T12:00:00.000Z', sizeBytes };
        },
      },
    );
    expect([calls, said]).toEqual([2, ['copied rp_full 70']]);
    expect(outcome).toMatchObject({ state: 'failed', error: { code: 'OFFSITE_CREDENTIALS_WRONG' } });
  });

  it('of a medium that is away is tried some times, and then left until it is seen again', async () => {
    let calls = 0;
    const { outcome } = await play({}, { copyOffsite: async () => ((calls += 1), failing('OFFSITE_OFFLINE')()) });
    expect(calls).toBe(5);
    expect(outcome).toMatchObject({ state: 'failed', error: { code: 'OFFSITE_OFFLINE' } });
  });

  it('that is cancelled ends so', async () => {
    let reach: () => void = () => undefined;
    const reached = new Promise<void>((resolve) => (reach = resolve));
    const untilCancelled = async (): Promise<never> => {
      reach();
      const timer = setInterval(() => Context.current().heartbeat(), 100);
      try {
        return await Context.current().cancelled;
      } finally {
        clearInterval(timer);
      }
    };
    const { said, outcome } = await play({}, { copyOffsite: untilCancelled }, async (handle) => {
      await reached;
      await handle.cancel();
    });
    expect(said).toEqual([]);
    expect(outcome).toMatchObject({ state: 'cancelled', error: { code: 'RUN_CANCELLED' } });
  });
});

describe('a fetch', () => {
  it('says only of what it has brought that it is there again', async () => {
    const { said, outcome } = await play(
      { kind: 'fetch' },
      { fetchOffsite: async (_input, { recoveryPointId }) => (recoveryPointId === 'rp_full' ? null : { manifestSha256: 'a'.repeat(64), snapshotId: null }) },
    );
    expect(said).toEqual(['fetched rp_child']);
    expect(outcome).toEqual(done);
  });

  it('that fails for good leaves nothing half-made', async () => {
    const { calls, outcome } = await play({ kind: 'fetch' }, { fetchOffsite: failing('RECOVERY_POINT_CORRUPT') });
    expect(calls).toEqual(['fetchOffsite', 'discardOffsite', 'finishTransfer']);
    expect(outcome).toMatchObject({ state: 'failed', error: { code: 'RECOVERY_POINT_CORRUPT' } });
  });
});

describe('a check', () => {
  const CHECK = { kind: 'check', points: [], serverId: null, part: { number: 2, of: 30 } } as const;

  it('that finds everything says so', async () => {
    const { calls, said, outcome } = await play(CHECK, { listOffsite: async () => ({ missing: [], there: ['rp_a'] }) });
    expect([calls, said, outcome]).toEqual([['listOffsite', 'checkOffsite', 'finishTransfer'], [], done]);
  });

  it('reads copies by themselves where it finds damage twice: those that do not need it count on', async () => {
    const { said, outcome } = await play(CHECK, {
      listOffsite: async () => ({ missing: ['rp_gone'], there: ['rp_a', 'rp_b'] }),
      checkOffsite: failing('RECOVERY_POINT_CORRUPT', 'pack 12 differs'),
      readOffsite: async (_input, id) => (id === 'rp_b' ? failing('RECOVERY_POINT_CORRUPT', 'pack 12 differs')() : undefined),
    });
    expect(said).toEqual(['damaged rp_gone RECOVERY_POINT_INCOMPLETE', 'damaged rp_b RECOVERY_POINT_CORRUPT']);
    expect(outcome).toMatchObject({ state: 'failed', error: { code: 'RECOVERY_POINT_CORRUPT', message: 'pack 12 differs' } });
  });

  it('believes damage only when it is seen twice, and nothing of a place that is away', async () => {
    let calls = 0;
    const once = await play(CHECK, { checkOffsite: async () => ((calls += 1) === 1 ? failing('RECOVERY_POINT_CORRUPT')() : undefined) });
    expect([calls, once.outcome]).toEqual([2, done]);
    const away = await play(CHECK, { checkOffsite: failing('OFFSITE_CREDENTIALS_WRONG') });
    expect([away.said, away.outcome]).toMatchObject([[], { state: 'failed', error: { code: 'OFFSITE_CREDENTIALS_WRONG' } }]);
  });
});

it('what is removed is removed', async () => {
  const { calls, outcome } = await play({ kind: 'forget' });
  expect([calls, outcome]).toEqual([['forgetOffsite', 'finishTransfer'], done]);
});
