import { Context } from '@temporalio/activity';
import type { VerificationInput, VerificationOutcome } from '../../src/contracts/verification';
import { BACKUP, failing, openStage, Rehearsal, type Scripted } from './harness';

jest.setTimeout(60_000);
let stage: Awaited<ReturnType<typeof openStage>>;
beforeAll(async () => void (stage = await openStage()));
afterAll(() => stage.close());

const IMAGE: VerificationInput = {
  verificationId: 'vrf_01aaaaaaaaaaaaaaaaaaaaaaaa',
  serverId: BACKUP.serverId,
  serverName: 'db01',
  hypervisor: BACKUP.hypervisor,
  kind: 'image',
  recoveryPointId: BACKUP.recoveryPointId,
  repository: 'main',
  part: null,
};
const DATA_POINT: VerificationInput = { ...IMAGE, kind: 'data', repository: null };
const DATA: VerificationInput = { ...DATA_POINT, recoveryPointId: null, part: { number: 3, of: 30 } };

/** What it says in the end, and of which recovery point. */
async function play(input: VerificationInput, scripted: Scripted = {}, meanwhile?: Parameters<Rehearsal['play']>[2]) {
  const verdicts: string[] = [];
  let outcome: VerificationOutcome | null = null;
  const rehearsal = new Rehearsal(stage, {
    recordVerdict: async (_id, recoveryPointId, damage) => void verdicts.push(`${recoveryPointId}: ${damage ?? 'whole'}`),
    finishVerification: async (_id, ended) => void (outcome = ended),
    ...scripted,
  });
  expect(await rehearsal.play('verify', input, meanwhile)).toBe('COMPLETED');
  return { calls: rehearsal.calls, verdicts, outcome: outcome as VerificationOutcome | null };
}

/** Fails so many times, then goes well. */
const failingTimes = (times: number, code: Parameters<typeof failing>[0]) => {
  let left = times;
  return async (): Promise<undefined> => {
    left -= 1;
    return left >= 0 ? failing(code, 'segment 3 of vda differs')() : undefined;
  };
};

describe('verify, an image', () => {
  it('reads every disk and says that it is whole', async () => {
    const progress: unknown[] = [];
    const { calls, verdicts, outcome } = await play(IMAGE, { readImage: async (_input, { target }, seen) => void progress.push([target, seen]) });
    expect(calls).toEqual(['openForVerification', 'readImage', 'readImage', 'recordVerdict', 'finishVerification']);
    expect(progress).toEqual([
      ['vda', { before: 0, total: 1024 }],
      ['vdb', { before: 512, total: 1024 }],
    ]);
    expect(verdicts).toEqual([`${BACKUP.recoveryPointId}: whole`]);
    expect(outcome).toEqual({ state: 'passed', error: null });
  });

  it('says damaged only what it has read wrong twice', async () => {
    const once = await play(IMAGE, { readImage: failingTimes(1, 'RECOVERY_POINT_CORRUPT') });
    expect([once.verdicts, once.outcome?.state]).toEqual([[`${BACKUP.recoveryPointId}: whole`], 'passed']);
    const twice = await play(IMAGE, { readImage: failingTimes(2, 'RECOVERY_POINT_CORRUPT') });
    expect(twice.verdicts).toEqual([`${BACKUP.recoveryPointId}: segment 3 of vda differs`]);
    expect(twice.outcome).toMatchObject({ state: 'failed', error: { code: 'RECOVERY_POINT_CORRUPT', message: 'segment 3 of vda differs' } });
  });

  it('says nothing about bytes of a repository that is away', async () => {
    const { calls, verdicts, outcome } = await play(IMAGE, { openForVerification: failing('REPOSITORY_UNREACHABLE') });
    expect(calls.filter((call) => call === 'openForVerification').length).toBe(5);
    expect(verdicts).toEqual([]);
    expect(outcome).toMatchObject({ state: 'not-run', error: { code: 'REPOSITORY_UNREACHABLE' } });
  });

  it('that is cancelled says nothing, and ends', async () => {
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
    const { verdicts, outcome } = await play(IMAGE, { readImage: untilCancelled }, async (handle) => {
      await reached;
      await handle.cancel();
    });
    expect(verdicts).toEqual([]);
    expect(outcome).toMatchObject({ state: 'not-run', error: { code: 'RUN_CANCELLED' } });
  });
});

describe('verify, data', () => {
  it('reads one recovery point whole', async () => {
    const { calls, verdicts, outcome } = await play(DATA_POINT);
    expect(calls).toEqual(['readData', 'recordVerdict', 'finishVerification']);
    expect([verdicts, outcome?.state]).toEqual([[`${BACKUP.recoveryPointId}: whole`], 'passed']);
  });

  it('checks all of a server, without a word on single ones where all is well', async () => {
    const { calls, outcome } = await play(DATA);
    expect([calls, outcome?.state]).toEqual([['checkData', 'finishVerification'], 'passed']);
  });

  it('reads each one by itself where something is damaged: those that do not need it stay usable', async () => {
    const { verdicts, outcome } = await play(DATA, {
      checkData: failing('RECOVERY_POINT_CORRUPT', 'pack 1 is damaged.'),
      listUsableData: async () => ['rp_2', 'rp_1'],
      readData: async (_input, id) => (id === 'rp_1' ? failing('RECOVERY_POINT_CORRUPT', 'it needs pack 1')() : undefined),
    });
    expect(verdicts).toEqual(['rp_2: whole', 'rp_1: it needs pack 1']);
    expect(outcome).toMatchObject({ state: 'failed', error: { message: 'pack 1 is damaged. Damaged: rp_1.' } });
    const harmless = await play(DATA, { checkData: failing('RECOVERY_POINT_CORRUPT', 'pack 1 is damaged.'), listUsableData: async () => ['rp_2'] });
    expect(harmless.outcome?.error?.message).toBe('pack 1 is damaged. No recovery point in the catalogue needs what is damaged.');
  });

  it('was not carried out when one of them could not be read', async () => {
    const { verdicts, outcome } = await play(DATA, {
      checkData: failing('RECOVERY_POINT_CORRUPT', 'pack 1 is damaged.'),
      listUsableData: async () => ['rp_1'],
      readData: failing('DATA_REPOSITORY_KEY_WRONG'),
    });
    expect([verdicts, outcome?.state, outcome?.error?.code]).toEqual([[], 'not-run', 'DATA_REPOSITORY_KEY_WRONG']);
  });
});
