import { Context } from '@temporalio/activity';
import type { DataInRepository } from '../../src/contracts/activities/repositories';
import type { VerificationInput, VerificationOutcome } from '../../src/contracts/verification';
import { newId } from '../../src/contracts/ids';
import { BACKUP } from './cast';
import { failing, openStage, Rehearsal, type Scripted } from './harness';

jest.setTimeout(180_000);
let stage: Awaited<ReturnType<typeof openStage>>;
beforeAll(async () => void (stage = await openStage()));
afterAll(() => stage.close());

const IMAGE: VerificationInput = {
  verificationId: 'vrf_01aaaaaaaaaaaaaaaaaaaaaaaa',
  serverId: BACKUP.serverId,
  serverName: 'db01',
  hypervisor: BACKUP.hypervisor,
  kind: 'image',
  method: 'checksums',
  recoveryPointId: BACKUP.recoveryPointId,
  repository: 'main',
  part: null,
  knownDamage: null,
  agentTimeoutSeconds: 300,
};
const DATA_POINT: VerificationInput = { ...IMAGE, kind: 'data', repository: null };
const DATA: VerificationInput = { ...DATA_POINT, method: 'structure', recoveryPointId: null, part: { number: 3, of: 30 } };

/** What it says in the end, and of which recovery point. */
async function play(input: VerificationInput, scripted: Scripted = {}, meanwhile?: Parameters<Rehearsal['play']>[2]) {
  const verdicts: string[] = [];
  let outcome: VerificationOutcome | null = null;
  const rehearsal = new Rehearsal(stage, {
    recordVerdict: async (_id, recoveryPointId, damage) => void verdicts.push(`${recoveryPointId}: ${damage?.message ?? 'whole'}`),
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

  it('says whose bytes they are, and of which file, and which it has read', async () => {
    const said: unknown[] = [];
    const parent = newId('rp');
    const { outcome } = await play(IMAGE, {
      openForVerification: failing('RECOVERY_POINT_INCOMPLETE', 'vda.qcow2 is missing', { recoveryPointId: parent, file: 'disks/vda.qcow2' }),
      recordVerdict: async (_id, recoveryPointId, damage) => void said.push([recoveryPointId, damage]),
    });
    const damage = { code: 'RECOVERY_POINT_INCOMPLETE', message: 'vda.qcow2 is missing', file: 'disks/vda.qcow2', named: parent };
    expect(said).toEqual([[BACKUP.recoveryPointId, damage]]);
    expect(outcome).toMatchObject({ state: 'failed', error: { code: 'RECOVERY_POINT_INCOMPLETE' } });
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

describe('verify, a boot', () => {
  const BOOT: VerificationInput = { ...IMAGE, method: 'boot' };

  it('says what it has shown, and nothing about bytes', async () => {
    const shown = { seconds: 41, checks: [{ name: 'web', evidence: 'exit code 0' }], notMade: ['port'] };
    const { calls, verdicts, outcome } = await play(BOOT, { proveBoot: async () => shown });
    expect(calls).toEqual(['proveBoot', 'finishVerification']);
    expect([verdicts, outcome]).toEqual([[], { state: 'passed', error: null, boot: shown }]);
  });

  it('is made again before anybody is told that it did not come up', async () => {
    let attempts = 0;
    const once = await play(BOOT, {
      proveBoot: async () => {
        attempts += 1;
        return attempts === 1 ? failing('HEALTH_CHECK_FAILED', 'web is down')() : { seconds: 3, checks: [], notMade: [] };
      },
    });
    expect(once.outcome).toMatchObject({ state: 'passed', boot: { seconds: 3 } });
    const twice = await play(BOOT, { proveBoot: failing('HEALTH_CHECK_FAILED', 'web is down') });
    expect(twice.calls).toEqual(['proveBoot', 'proveBoot', 'finishVerification']);
    expect(twice.verdicts).toEqual([]);
    expect(twice.outcome).toMatchObject({ state: 'failed', error: { code: 'HEALTH_CHECK_FAILED', message: 'web is down' } });
  });

  it('that could not be tried says nothing', async () => {
    const { calls, verdicts, outcome } = await play(BOOT, { proveBoot: failing('HYPERVISOR_NOT_CONFIGURED') });
    expect([calls, verdicts]).toEqual([['proveBoot', 'finishVerification'], []]);
    expect(outcome).toMatchObject({ state: 'not-run', error: { code: 'HYPERVISOR_NOT_CONFIGURED' } });
  });

  it('that has read files wrong twice says that they are damaged', async () => {
    const { verdicts, outcome } = await play(BOOT, { proveBoot: failing('RECOVERY_POINT_CORRUPT', 'domain.xml differs') });
    expect(verdicts).toEqual([`${BACKUP.recoveryPointId}: domain.xml differs`]);
    expect(outcome).toMatchObject({ state: 'failed', error: { code: 'RECOVERY_POINT_CORRUPT' } });
  });
});

describe('verify, data', () => {
  it('reads one recovery point whole', async () => {
    const { calls, verdicts, outcome } = await play(DATA_POINT);
    expect(calls).toEqual(['readData', 'recordVerdict', 'finishVerification']);
    expect([verdicts, outcome?.state]).toEqual([[`${BACKUP.recoveryPointId}: whole`], 'passed']);
  });

  it('checks all of a server, and says what it has found', async () => {
    const { calls, verdicts, outcome } = await play(DATA);
    expect(calls).toEqual(['listData', 'checkData', 'finishVerification']);
    expect([verdicts, outcome]).toEqual([[], { state: 'passed', error: null, found: ['rp_2', 'rp_1'] }]);
  });

  const pack = failing('RECOVERY_POINT_CORRUPT', 'pack 1 is damaged.');
  const listed = (changes: Partial<DataInRepository> = {}) => ({
    listData: async () => ({ found: ['rp_2', 'rp_1'], readBefore: [], missing: [], returned: [], ...changes }),
  });

  it('says what is missing, and verifies the others', async () => {
    const { verdicts, outcome } = await play(DATA, listed({ found: ['rp_2'], missing: [{ recoveryPointId: 'rp_1', why: 'its snapshot is gone' }] }));
    expect(verdicts).toEqual(['rp_1: its snapshot is gone']);
    expect(outcome).toMatchObject({
      state: 'failed',
      error: { code: 'RECOVERY_POINT_INCOMPLETE', message: '1 recovery point(s) are missing: rp_1.' },
      found: ['rp_2'],
    });
  });

  it('reads what was missing and is back', async () => {
    const { verdicts, outcome } = await play(DATA, listed({ returned: ['rp_0'] }));
    expect([verdicts, outcome?.state]).toEqual([['rp_0: whole'], 'passed']);
  });

  it('reads each one by itself where something is damaged: those that do not need it stay usable', async () => {
    const { verdicts, outcome } = await play(DATA, {
      checkData: pack,
      readData: async (_input, id) => (id === 'rp_1' ? failing('RECOVERY_POINT_CORRUPT', 'it needs pack 1')() : undefined),
    });
    expect(verdicts).toEqual(['rp_2: whole', 'rp_1: it needs pack 1']);
    expect(outcome).toEqual({
      state: 'failed',
      error: expect.objectContaining({ code: 'RECOVERY_POINT_CORRUPT', message: 'pack 1 is damaged. Damaged: rp_1.' }),
    });
    const harmless = await play(DATA, { checkData: pack });
    expect(harmless.outcome?.error?.message).toBe('pack 1 is damaged. No usable recovery point that was read needs it.');
  });

  it('reads only what is new where the damage was known before, and all again where there is more of it', async () => {
    const known = { ...DATA, knownDamage: 'pack 1 is damaged. Damaged: rp_1.' };
    expect((await play(known, { checkData: pack, ...listed({ readBefore: ['rp_1'] }) })).verdicts).toEqual(['rp_2: whole']);
    const more = failing('RECOVERY_POINT_CORRUPT', 'pack 1 and pack 2 are damaged.');
    expect((await play(known, { checkData: more, ...listed({ readBefore: ['rp_1'] }) })).verdicts).toEqual(['rp_2: whole', 'rp_1: whole']);
  });

  it('reads so many at a time, and leaves the rest to the next time', async () => {
    const found = Array.from({ length: 103 }, (_, at) => `rp_${at}`);
    const { verdicts, outcome } = await play(DATA, { checkData: pack, ...listed({ found }) });
    expect(verdicts).toHaveLength(100);
    expect(outcome?.error?.message).toBe('pack 1 is damaged. No usable recovery point that was read needs it. 3 are still to be read.');
  });

  it('has found damage, although not all could be read to know who needs it', async () => {
    const { verdicts, outcome } = await play(DATA, { checkData: pack, readData: failing('DATA_REPOSITORY_KEY_WRONG') });
    expect([verdicts, outcome?.state]).toEqual([[], 'failed']);
    expect(outcome?.error?.message).toBe('pack 1 is damaged. Not all recovery points could be read to know which of them need it (DATA_REPOSITORY_KEY_WRONG).');
  });

  it('was not carried out where another repository was put in its place', async () => {
    const { verdicts, outcome } = await play(DATA, { listData: failing('DATA_REPOSITORY_KEY_WRONG') });
    expect([verdicts, outcome?.state, outcome?.error?.code]).toEqual([[], 'not-run', 'DATA_REPOSITORY_KEY_WRONG']);
  });
});
