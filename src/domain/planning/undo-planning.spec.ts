import type { UndoSource } from '../../contracts/activities';
import type { UndoSurvey } from '../../contracts/plan';
import type { ServerInspection } from '../../contracts/server';
import type { WayBackFacts, WayBackView } from '../../contracts/way-back';
import { planUndo, undoStaleness } from './undo-planning';

const NOW = new Date('2026-03-02T13:00:00.000Z');
const MIB = 1024 ** 2;

const kept: WayBackFacts = { wasGone: false, volumes: [{ target: 'vda', path: '/srv/vm/vda.qcow2', allocatedBytes: 100 }], nvramPath: null, generationId: 'g-old', complete: true };
const wayBack: WayBackView = {
  runId: 'run_1', serverId: 'srv_1', serverName: 'db01', state: 'open', wasGone: false, volumes: kept.volumes, nvramPath: null, data: null, before: { powerState: 'running', agent: 'answering' }, lineageBefore: 'l0', lineageAfter: 'l1',
  createdAt: '2026-03-02T10:00:00.000Z', expiresAt: '2026-03-09T10:00:00.000Z', wentLiveAt: '2026-03-02T10:01:00.000Z', closedBy: null, closedAt: null,
};
const present: ServerInspection = {
  uuid: '3f0c9c1e-1111-4222-8333-444455556666', domainName: 'db01', powerState: 'running', domainType: 'qemu', definitionFingerprint: 'f1',
  disks: [{ target: 'vda', bus: 'virtio', path: '/srv/vm/vda.qcow2.run_1', format: 'qcow2', virtualSizeBytes: 1, allocatedBytes: 1, backingChain: [] }],
  removableMedia: [], firmware: 'bios', nvram: null, nics: [], generationId: 'g-new', agent: { state: 'answering', version: '7', commands: [] }, refusals: [], memoryBytes: 1, vcpus: 1,
};
const source = (changes: Partial<WayBackView> = {}): UndoSource => ({
  planId: 'plan_1', runId: 'run_2', serverId: 'srv_1', serverName: 'db01', uuid: present.uuid, hypervisor: 'kvm1', lineageId: 'l1', wayBack: { ...wayBack, ...changes }, undoneRun: { kind: 'restore-server', reason: 'broken' },
});
const survey = (changes: Partial<UndoSurvey> = {}): UndoSurvey => ({ present, wayBack: kept, writtenBytes: { vda: 5 * MIB }, ...changes });
const codes = (plan: ReturnType<typeof planUndo>): readonly string[] => plan.findings.map(({ code, severity }) => `${severity} ${code}`);

describe('planUndo', () => {
  it('says where it leads: volumes, generation id, lineage, steps', () => {
    const plan = planUndo(source(), survey(), NOW);
    expect(plan.volumes).toEqual([{ target: 'vda', presentPath: '/srv/vm/vda.qcow2.run_1', returnsToPath: '/srv/vm/vda.qcow2', writtenBytes: 5 * MIB }]);
    expect(plan.generationId).toEqual({ now: 'g-new', then: 'g-old' });
    expect(plan.lineage).toEqual({ now: 'l1', then: 'l0' });
    expect(plan.steps.map(({ key }) => key)).toEqual(['check', 'fence', 'stop', 'swap', 'start', 'agent', 'record']);
    expect(codes(plan)).toEqual(['warn SERVER_ALIVE', 'ok WAY_BACK_COMPLETE']);
  });

  it('loses nothing before go-live', () => expect(planUndo(source({ wentLiveAt: null }), survey(), NOW).losses).toEqual([]));

  it('says after go-live what would be lost, and that it stays readable', () => {
    const [lost, stays] = planUndo(source(), survey(), NOW).losses;
    expect(lost).toContain('2 h 59 min ago');
    expect(lost).toContain('QEMU counts 5 MiB to vda');
    expect(stays).toContain('undoing the undo brings it back');
  });

  it('does not wait for a server that did not answer before', () => {
    const plan = planUndo(source({ before: { powerState: 'running', agent: 'silent' } }), survey(), NOW);
    expect(plan.steps.map(({ key }) => key)).toEqual(['check', 'fence', 'stop', 'swap', 'start', 'record']);
    expect(codes(plan)).toContain('warn START_CANNOT_BE_PROVEN');
  });

  it('leaves a server off that was off', () => {
    const plan = planUndo(source({ before: { powerState: 'off', agent: 'silent' } }), survey({ present: { ...present, powerState: 'off' } }), NOW);
    expect(plan.steps.map(({ key }) => key)).toEqual(['check', 'fence', 'swap', 'record']);
  });

  it.each([
    ['the server is gone', survey({ present: null }), 'block SERVER_GONE'],
    ['nothing is kept', survey({ wayBack: null }), 'block WAY_BACK_NOT_FOUND'],
    ['a kept volume is missing', survey({ wayBack: { ...kept, complete: false } }), 'block WAY_BACK_INCOMPLETE'],
    ['memory was saved', survey({ present: { ...present, refusals: [{ code: 'SERVER_HAS_SAVED_STATE', message: 'saved', hint: 'drop it' }] } }), 'block SERVER_HAS_SAVED_STATE'],
  ])('is blocked when %s', (_what, found, expected) => expect(codes(planUndo(source(), found, NOW))).toContain(expected));
});

describe('planUndo of a restore of data', () => {
  it('is blocked by what stands against it in the guest', () => {
    const data = { runId: 'run_1', undone: false, dataSet: { kind: 'files', name: 'uploads', paths: ['/srv'], excludes: [], before: null, after: null }, recoveryPointId: 'rp_1', kept: { kind: 'files', directories: [], added: 1, replaced: 0, keptBytes: 0 } } as const;
    const gone = { code: 'DATABASE_NOT_FOUND', severity: 'block', message: 'What was kept is not there any more.', evidence: [] } as const;
    expect(codes(planUndo(source({ data }), survey({ data: { changes: [], findings: [gone], losses: [] } }), NOW))).toEqual(['ok SERVER_ALIVE', 'block DATABASE_NOT_FOUND']);
    expect(codes(planUndo(source({ data }), survey({ data: { changes: [], findings: [], losses: [] } }), NOW))).toEqual(['ok SERVER_ALIVE']);
  });
});

describe('planUndo of a run that has kept a disk', () => {
  const vdb = { ...present.disks[0]!, target: 'vdb', path: '/srv/vm/vdb.qcow2' };
  const keeping = (changes: Partial<UndoSurvey> = {}): UndoSurvey =>
    survey({ present: { ...present, disks: [...present.disks, vdb] }, wayBack: { ...kept, unchanged: [{ target: 'vdb', path: vdb.path }] }, writtenBytes: { vda: 5 * MIB, vdb: 7 * MIB }, ...changes });

  it('says that the disk stays as it is now: what was written to it is not undone', () => {
    const plan = planUndo(source(), keeping(), NOW);
    expect(plan.volumes).toEqual([
      { target: 'vda', presentPath: '/srv/vm/vda.qcow2.run_1', returnsToPath: '/srv/vm/vda.qcow2', writtenBytes: 5 * MIB },
      { target: 'vdb', presentPath: vdb.path, returnsToPath: vdb.path, writtenBytes: 7 * MIB },
    ]);
    expect(plan.findings.find(({ code }) => code === 'DISKS_KEPT')).toEqual({
      code: 'DISKS_KEPT', severity: 'ok', message: 'vdb was kept by that run and stays as now: what was written there is not undone.', evidence: ['vdb /srv/vm/vdb.qcow2'],
    });
    expect(plan.losses[0]).toMatch(/^Everything written to vda since it went live at .* QEMU counts 5 MiB to vda since the server was started\.$/);
    expect(planUndo(source({ wentLiveAt: null }), keeping(), NOW).losses).toEqual(['What was written to vdb is NOT undone and not lost: that disk stays as now, before and after.']);
    expect(plan.losses).toContain('What was written to vdb is NOT undone and not lost: that disk stays as now, before and after.');
  });

  it('keeps the file it has now, also when that is a snapshot somebody has taken since', () => {
    const overlay = { ...vdb, path: '/srv/vm/vdb.since' };
    expect(planUndo(source(), keeping({ present: { ...present, disks: [...present.disks, overlay] } }), NOW).volumes[1]).toMatchObject({ presentPath: overlay.path, returnsToPath: overlay.path });
  });

  it('is blocked when the server has the disk no more', () => {
    expect(codes(planUndo(source(), keeping({ present }), NOW))).toContain('block KEPT_DISK_DETACHED');
  });
});

describe('undoStaleness', () => {
  const plan = planUndo(source(), survey(), NOW);

  it('holds while nothing has changed', () => expect(undoStaleness(plan, survey())).toEqual([]));

  it.each([
    [survey({ present: null }), 'the server is gone from the hypervisor'],
    [survey({ present: { ...present, definitionFingerprint: 'f2' } }), 'the definition of the server was changed'],
    [survey({ present: { ...present, disks: [] } }), 'the disks were [vda /srv/vm/vda.qcow2.run_1] and are now []'],
    [survey({ wayBack: null }), 'the volumes to return to are no longer kept'],
    [survey({ wayBack: { ...kept, complete: false } }), 'a kept volume is missing or was exchanged'],
  ])('%#', (found, sentence) => expect(undoStaleness(plan, found)).toContain(sentence));
});
