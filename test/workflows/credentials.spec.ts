import type { BackupSubject, PublishRequest } from '../../src/contracts/activities/images';
import type { CredentialDeclaration, CredentialReference, PlannedCredential } from '../../src/contracts/credential';
import type { RestorePlanBody, RestoreSurvey } from '../../src/contracts/plan';
import { NO_PROTECTION } from '../../src/contracts/protection';
import { planRestore } from '../../src/domain/planning/restore-planning';
import { BACKUP, ONLINE, PLAN, RESTORE, SURVEY } from './cast';
import { failing, openStage, Rehearsal, type Scripted } from './harness';

jest.setTimeout(180_000);
let stage: Awaited<ReturnType<typeof openStage>>;
beforeAll(async () => void (stage = await openStage()));
afterAll(() => stage.close());

const rehearse = (scripted: Scripted = {}) => new Rehearsal(stage, scripted);
const ROOT: CredentialDeclaration = { account: 'root', store: 'vault', path: 'servers/db01', reapply: true };
const REFERENCE: CredentialReference = { account: 'root', store: 'vault', path: 'servers/db01', version: '1', createdAt: null, problem: null };

const subject: BackupSubject = {
  mode: 'online',
  domainName: 'db01',
  powerState: 'running',
  agent: 'answering',
  neededBytes: 512,
  definitionFingerprint: 'f1',
  hasNvram: false,
  disks: [{ target: 'vda', path: '/srv/vm/vda.qcow2', format: 'raw', flattened: false, allocatedBytes: 512 }],
  credentials: [ROOT],
};

describe('an image of a server with credentials', () => {
  const taken = async (mode: 'online' | 'offline', scripted: Scripted = {}) => {
    const published: PublishRequest[] = [];
    const rehearsal = rehearse({
      examineForBackup: async () => ({ ...subject, mode }),
      publish: async (request) => {
        published.push(request);
        return { recoveryPointId: BACKUP.recoveryPointId, serverId: BACKUP.serverId, repository: 'main', sizeBytes: 1 };
      },
      ...scripted,
    });
    expect(await rehearsal.play('backupImage', mode === 'online' ? ONLINE : BACKUP)).toBe('COMPLETED');
    return { rehearsal, published: published[0] };
  };

  it.each([
    ['online', 'beginOnlineBackup'],
    ['offline', 'shutDown'],
  ] as const)('%s, asks which versions are valid before its point in time is taken', async (mode, moment) => {
    const { rehearsal, published } = await taken(mode);
    const { calls } = rehearsal;
    expect(calls.indexOf('rememberCredentials')).toBeGreaterThan(calls.indexOf('reserveRoom'));
    expect(calls.indexOf('rememberCredentials')).toBeLessThan(calls.indexOf(moment));
    expect(published?.credentials).toEqual([{ ...REFERENCE, createdAt: '2026-03-01T00:00:00.000Z' }]);
    expect(rehearsal.steps.get('credentials')).toMatchObject({ state: 'succeeded', detail: { root: 'version 1' } });
  });

  it('is taken all the same when a store is sealed, and when nobody could ask', async () => {
    const sealed = { ...REFERENCE, version: null, problem: 'SECRET_STORE_SEALED' };
    const { rehearsal, published } = await taken('online', { rememberCredentials: async () => [sealed] });
    expect(published?.credentials).toEqual([sealed]);
    expect(rehearsal.steps.get('credentials')).toMatchObject({ state: 'succeeded', detail: { root: 'version not known, SECRET_STORE_SEALED' } });
    expect((await taken('online', { rememberCredentials: failing('CONFIG_INVALID') })).published?.credentials).toEqual([
      { ...REFERENCE, version: null, problem: 'CONFIG_INVALID' },
    ]);
  });
});

describe('a plan', () => {
  const planned = async (scripted: Scripted, credentials: readonly CredentialDeclaration[] | undefined, remembered?: readonly CredentialReference[]) => {
    const surveys: RestoreSurvey[] = [];
    const rehearsal = rehearse({
      choosePlanSource: async ({ planId }) => ({
        planId,
        runId: RESTORE.runId,
        serverId: RESTORE.serverId,
        serverName: 'db01',
        uuid: RESTORE.uuid,
        hypervisor: RESTORE.hypervisor,
        repository: 'main',
        recoveryPointId: BACKUP.recoveryPointId,
        measuredRecoverySeconds: [],
        protection: { ...NO_PROTECTION, ...(credentials === undefined ? {} : { credentials }) },
        openWayBacks: [],
      }),
      surveyRestore: async () => ({ ...SURVEY, manifest: { ...SURVEY.manifest, ...(remembered === undefined ? {} : { credentials: remembered }) } }),
      composePlan: async (_source, survey) => void surveys.push(survey),
      ...scripted,
    });
    await rehearsal.play('planRestore', { planId: RESTORE.planId, serverId: RESTORE.serverId, recoveryPointId: null });
    return { rehearsal, survey: surveys[0] };
  };
  const said = { account: 'root', current: { version: '2', createdAt: null }, problem: null, remembered: 'there' as const };

  it('asks the stores of what is declared, and of what the image remembers', async () => {
    for (const [declared, remembered] of [
      [[ROOT], undefined],
      [undefined, [REFERENCE]],
    ] as const) {
      const { survey } = await planned({ surveyCredentials: async () => [said] }, declared, remembered);
      expect(survey?.credentials).toEqual([said]);
    }
  });

  it('asks nobody where there is nothing to ask', async () => {
    const { rehearsal, survey } = await planned({}, undefined);
    expect(rehearsal.calls).not.toContain('surveyCredentials');
    expect(survey).not.toHaveProperty('credentials');
  });

  it('is made all the same when nobody can be asked', async () => {
    const { survey } = await planned({ surveyCredentials: failing('CONFIG_INVALID') }, [ROOT]);
    expect(survey?.credentials).toEqual([{ account: 'root', current: null, problem: 'CONFIG_INVALID', remembered: null }]);
  });
});

describe('a restore', () => {
  const credential: PlannedCredential = {
    ...REFERENCE,
    field: 'password',
    then: REFERENCE,
    thenState: 'there',
    now: { version: '2', createdAt: null },
    changed: 'yes',
    isSet: true,
  };
  const [goLive, record] = PLAN.steps.slice(-2);
  const plan: RestorePlanBody = {
    ...PLAN,
    credentials: [credential, { ...credential, account: 'backup', isSet: false }],
    steps: [...PLAN.steps.slice(0, -3), { key: 'credential:root', title: 'Set the current password of root' }, ...PLAN.steps.slice(-3, -2), goLive!, record!],
  };

  it('sets what the plan says in quarantine, before the health checks, and nothing else', async () => {
    const asked: unknown[] = [];
    const rehearsal = rehearse({
      loadPlan: async () => plan,
      setCredential: async (_input, one) => {
        asked.push(one);
        return { isSet: true, version: '3', evidence: 'the guest accepts it' };
      },
    });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(rehearsal.calls.slice(-6)).toEqual(['waitForAgent', 'setCredential', 'checkHealth', 'recordGoLive', 'goLive', 'releaseFence']);
    expect(asked).toEqual([{ account: 'root', store: 'vault', path: 'servers/db01', field: 'password' }]);
    expect(rehearsal.steps.get('credential:root')).toMatchObject({ state: 'succeeded', detail: { set: true, version: '3', evidence: 'the guest accepts it' } });
    expect(rehearsal.stateOf('sign-off')).toBeUndefined();
  });

  it('waits for people where one could not be set, although nothing else was for them, and goes live once they have said so', async () => {
    let decided = false;
    const rehearsal = rehearse({
      loadPlan: async () => plan,
      setCredential: async () => ({ isSet: false, version: null, evidence: 'SECRET_STORE_SEALED: it is sealed' }),
      readDecision: async () => (decided ? { actor: 'kim', reason: 'set by hand', at: '2026-03-02T12:10:00.000Z' } : null),
    });
    const closed = await rehearsal.play('restoreServer', RESTORE, async (handle) => {
      const until = Date.now() + 20_000;
      while (rehearsal.stateOf('sign-off') !== 'waiting' && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
      expect(rehearsal.stateOf('sign-off')).toBe('waiting');
      expect(rehearsal.calls).not.toContain('goLive');
      decided = true;
      await handle.signal('decided');
    });
    expect(closed).toBe('COMPLETED');
    expect(rehearsal.steps.get('credential:root')).toMatchObject({ detail: { set: false, evidence: 'SECRET_STORE_SEALED: it is sealed' } });
    expect(rehearsal.steps.get('sign-off')).toMatchObject({ state: 'succeeded', detail: { signedOffBy: 'kim', passwordsOf: 'root' } });
    expect(rehearsal.calls.slice(-3)).toEqual(['recordGoLive', 'goLive', 'releaseFence']);
  });

  it('that does not hold the server any more is undone', async () => {
    const rehearsal = rehearse({ loadPlan: async () => plan, setCredential: failing('FENCED_OFF') });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('FAILED');
    expect(rehearsal.calls).toContain('revertSwap');
  });

  it('has the steps that its plan has announced', () => {
    const source = {
      planId: PLAN.planId,
      runId: PLAN.runId,
      serverId: RESTORE.serverId,
      serverName: 'db01',
      uuid: RESTORE.uuid,
      hypervisor: RESTORE.hypervisor,
      repository: 'main',
      recoveryPointId: BACKUP.recoveryPointId,
      measuredRecoverySeconds: [],
      protection: { ...NO_PROTECTION, credentials: [ROOT] },
      openWayBacks: [],
    };
    const survey = {
      ...SURVEY,
      credentials: [{ account: 'root', current: { version: '2', createdAt: '2026-03-02T10:00:00.000Z' }, problem: null, remembered: null }],
    };
    const now = new Date('2026-03-02T12:00:00.000Z');
    const keys = (made: RestorePlanBody): readonly string[] => made.steps.map(({ key }) => key);
    const made = planRestore(source, survey, now);
    expect(keys(made).slice(-4)).toEqual(['agent', 'credential:root', 'go-live', 'record']);
    expect(made.findings.find(({ code }) => code === 'CREDENTIAL_ROTATED')).toMatchObject({ severity: 'step' });
    const left = planRestore({ ...source, leaveCredentials: true }, survey, now);
    expect(keys(left)).not.toContain('credential:root');
    expect(left.findings.find(({ code }) => code === 'CREDENTIAL_ROTATED')).toMatchObject({ severity: 'warn' });
    expect(planRestore(source, SURVEY, now)).not.toHaveProperty('credentials');
  });
});
