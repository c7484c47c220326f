import { openWayBack } from '../../../test/support/open-way-back';
import type { UndoSource } from '../../contracts/activities/planning';
import type { UndoSurvey } from '../../contracts/plan';
import type { ServerInspection } from '../../contracts/server';
import type { WayBackFacts, WayBackView } from '../../contracts/way-back';
import { isTakenBack, peersMayHaveFollowed, planUndo, undoStaleness } from './undo-planning';

const NOW = new Date('2026-03-02T13:00:00.000Z');
const MIB = 1024 ** 2;

const kept: WayBackFacts = {
  wasGone: false,
  volumes: [{ target: 'vda', path: '/srv/vm/vda.qcow2', allocatedBytes: 100 }],
  nvramPath: null,
  generationId: 'g-old',
  complete: true,
};
const wayBack = openWayBack({ volumes: kept.volumes });
const present: ServerInspection = {
  uuid: '3f0c9c1e-1111-4222-8333-444455556666',
  domainName: 'db01',
  powerState: 'running',
  domainType: 'qemu',
  definitionFingerprint: 'f1',
  disks: [{ target: 'vda', bus: 'virtio', path: '/srv/vm/vda.qcow2.run_1', format: 'qcow2', virtualSizeBytes: 1, allocatedBytes: 1, backingChain: [] }],
  removableMedia: [],
  firmware: 'bios',
  nvram: null,
  nics: [],
  generationId: 'g-new',
  agent: { state: 'answering', version: '7', commands: [] },
  refusals: [],
  memoryBytes: 1,
  vcpus: 1,
};
const source = (changes: Partial<WayBackView> = {}): UndoSource => ({
  planId: 'plan_1',
  runId: 'run_2',
  serverId: 'srv_1',
  serverName: 'db01',
  uuid: present.uuid,
  hypervisor: 'kvm1',
  lineageId: 'l1',
  wayBack: { ...wayBack, ...changes },
  undoneRun: { kind: 'restore-server', reason: 'broken' },
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

  it('is about one server and one run, as they were found', () => {
    const nics = ['01', '02'].map((last) => ({ mac: `52:54:00:00:00:${last}`, type: 'user', source: null, linkUp: true }));
    const {
      steps: _steps,
      findings: _findings,
      losses: _losses,
      volumes: _volumes,
      ...plan
    } = planUndo(source(), survey({ present: { ...present, nics } }), NOW);
    expect(plan).toEqual({
      planId: 'plan_1',
      runId: 'run_2',
      scenario: 'undo',
      server: {
        serverId: 'srv_1',
        name: 'db01',
        uuid: present.uuid,
        hypervisor: 'kvm1',
        domainName: 'db01',
        macs: ['52:54:00:00:00:01', '52:54:00:00:00:02'],
        powerState: 'running',
      },
      undoes: { runId: 'run_1', kind: 'restore-server', swappedAt: '2026-03-02T10:00:00.000Z', wentLiveAt: '2026-03-02T10:01:00.000Z', reason: 'broken' },
      generationId: { now: 'g-new', then: 'g-old' },
      lineage: { now: 'l1', then: 'l0' },
      returnsTo: { powerState: 'running', agent: 'answering' },
      before: { powerState: 'running', agent: 'answering' },
      basis: { definitionFingerprint: 'f1', disks: [{ target: 'vda', path: '/srv/vm/vda.qcow2.run_1' }] },
      createdAt: '2026-03-02T13:00:00.000Z',
    });
  });

  it('has nothing to show of a server that is gone, nor of what is not kept', () => {
    const plan = planUndo(source(), survey({ present: null, wayBack: null, writtenBytes: {} }), NOW);
    expect(plan.server.macs).toEqual([]);
    expect(plan).toMatchObject({
      server: { domainName: null, powerState: null },
      generationId: { now: null, then: null },
      before: { powerState: 'off', agent: 'absent' },
      basis: { definitionFingerprint: null, disks: [] },
      volumes: [{ target: 'vda', presentPath: null, returnsToPath: '/srv/vm/vda.qcow2', writtenBytes: null }],
    });
  });

  it('puts the disks of both sides in order, whatever each side has', () => {
    const disks = ['vdc', 'vda'].map((target) => ({ ...present.disks[0]!, target, path: `/srv/vm/${target}.now` }));
    const volumes = [
      { target: 'vdb', path: '/srv/vm/vdb.old', allocatedBytes: 1 },
      { target: 'vda', path: '/srv/vm/vda.old', allocatedBytes: 1 },
    ];
    expect(planUndo(source({ volumes }), survey({ present: { ...present, disks } }), NOW).volumes).toEqual([
      { target: 'vda', presentPath: '/srv/vm/vda.now', returnsToPath: '/srv/vm/vda.old', writtenBytes: 5 * MIB },
      { target: 'vdb', presentPath: null, returnsToPath: '/srv/vm/vdb.old', writtenBytes: null },
      { target: 'vdc', presentPath: '/srv/vm/vdc.now', returnsToPath: null, writtenBytes: null },
    ]);
  });

  it.each<[string, Parameters<typeof source>[0], Partial<UndoSurvey>, string, object]>([
    ['a server that is off', {}, { present: { ...present, powerState: 'off' } }, 'SERVER_OFF', { severity: 'ok', evidence: [] }],
    [
      'a server that is alive',
      {},
      {},
      'SERVER_ALIVE',
      { severity: 'warn', message: expect.stringContaining('it is shut down by this undo') as string, evidence: ['power state running'] },
    ],
    [
      'a server that is silent',
      {},
      { present: { ...present, powerState: 'paused', agent: { state: 'silent', version: null, commands: [] } } },
      'SERVER_NOT_ANSWERING',
      { severity: 'ok', message: expect.stringContaining('the power of the server is cut') as string, evidence: ['power state paused'] },
    ],
    ['a server that is gone', {}, { present: null }, 'SERVER_GONE', { severity: 'block', evidence: [] }],
    [
      'saved memory',
      {},
      {
        present: {
          ...present,
          refusals: [
            { code: 'DISK_FILE_MISSING', message: 'other', hint: 'h' },
            { code: 'SERVER_HAS_SAVED_STATE', message: 'Memory was saved.', hint: 'Drop it.' },
          ],
        },
      },
      'SERVER_HAS_SAVED_STATE',
      { severity: 'block', message: 'Memory was saved.', remedy: 'Drop it.', evidence: [] },
    ],
    [
      'what is kept',
      {},
      { wayBack: { ...kept, volumes: [{ target: 'vda', path: '/srv/vm/vda.qcow2', allocatedBytes: 3 * MIB }] } },
      'WAY_BACK_COMPLETE',
      { severity: 'ok', evidence: ['vda /srv/vm/vda.qcow2 (3 MiB)'] },
    ],
    ['what is kept in part', {}, { wayBack: { ...kept, complete: false } }, 'WAY_BACK_INCOMPLETE', { severity: 'block', evidence: ['vda /srv/vm/vda.qcow2'] }],
    ['what is not kept', {}, { wayBack: null }, 'WAY_BACK_NOT_FOUND', { severity: 'block', evidence: ['run run_1'] }],
    ['a server that was off', { before: { powerState: 'off', agent: 'absent' } }, {}, 'STAYS_OFF', { severity: 'ok', evidence: [] }],
    [
      'a server that did not answer',
      { before: { powerState: 'running', agent: 'silent' } },
      {},
      'START_CANNOT_BE_PROVEN',
      { severity: 'warn', evidence: ['agent silent then'] },
    ],
  ])('says of %s what is so', (_what, back, found, code, expected) => {
    expect(planUndo(source(back), survey(found), NOW).findings.find((finding) => finding.code === code)).toMatchObject(expected);
  });

  it('says one thing of a server and of its past, not two', () => {
    expect(codes(planUndo(source({ before: { powerState: 'off', agent: 'silent' } }), survey({ present: { ...present, powerState: 'off' } }), NOW))).toEqual([
      'ok SERVER_OFF',
      'ok WAY_BACK_COMPLETE',
      'ok STAYS_OFF',
    ]);
    expect(codes(planUndo(source(), survey({ present: null, wayBack: null }), NOW))).toEqual(['block SERVER_GONE', 'block WAY_BACK_NOT_FOUND']);
    expect(planUndo(source(), survey({ present: null }), NOW).steps.map(({ key }) => key)).toEqual(['check', 'fence', 'swap', 'start', 'agent', 'record']);
  });

  it('proves at its end that the peers accept the server, where rules say how, and not of a server that stays off', () => {
    const steps = (before: 'running' | 'off', hasLiveRules: boolean) =>
      planUndo(source({ before: { powerState: before, agent: 'answering' } }), survey(), NOW, { findings: [], hasLiveRules })
        .steps.map(({ key }) => key)
        .slice(-2);
    expect([steps('running', true), steps('running', false), steps('off', true)]).toEqual([
      ['peers', 'record'],
      ['agent', 'record'],
      ['swap', 'record'],
    ]);
  });

  it('loses nothing before go-live', () => expect(planUndo(source({ wentLiveAt: null }), survey(), NOW).losses).toEqual([]));

  it('says after go-live what would be lost, and that it stays readable', () => {
    const [lost, stays] = planUndo(source(), survey(), NOW).losses;
    expect(lost).toContain('2 h 59 min ago');
    expect(lost).toContain('QEMU counts 5 MiB to vda');
    expect(stays).toContain('undoing the undo brings it back');
  });

  it('says what QEMU has counted, and nothing where it has counted nothing', () => {
    const disks = ['vda', 'vdb', 'vdc', 'vdd'].map((target) => ({ ...present.disks[0]!, target, path: `/srv/vm/${target}.now` }));
    const losses = planUndo(source(), survey({ present: { ...present, disks }, writtenBytes: { vda: 5 * MIB, vdb: 0, vdc: 7 * MIB } }), NOW).losses;
    expect(losses).toEqual([
      'Everything written since it went live at 2026-03-02T10:01:00.000Z (2 h 59 min ago) is not in the server after the undo. QEMU counts 5 MiB to vda, 7 MiB to vdc since the server was started.',
      'It stays in the present volumes, which are kept: undoing the undo brings it back.',
      'Changes of the definition made since then (memory, network, devices) go back as well.',
    ]);
    expect(planUndo(source(), survey({ writtenBytes: {} }), NOW).losses[0]).toMatch(/is not in the server after the undo\.$/);
  });

  it('does not wait for a server that did not answer before', () => {
    const plan = planUndo(source({ before: { powerState: 'running', agent: 'silent' } }), survey(), NOW);
    expect(plan.steps.map(({ key }) => key)).toEqual(['check', 'fence', 'stop', 'swap', 'start', 'record']);
    expect(codes(plan)).toContain('warn START_CANNOT_BE_PROVEN');
  });

  it('leaves a server off that was off', () => {
    const plan = planUndo(source({ before: { powerState: 'off', agent: 'silent' } }), survey({ present: { ...present, powerState: 'off' } }), NOW);
    expect(plan.steps.map(({ key }) => key)).toEqual(['check', 'fence', 'swap', 'record']);
    const answered = planUndo(source({ before: { powerState: 'off', agent: 'answering' } }), survey(), NOW);
    expect(answered.steps.map(({ key }) => key)).not.toContain('agent');
  });

  it.each([
    ['the server is gone', survey({ present: null }), 'block SERVER_GONE'],
    ['nothing is kept', survey({ wayBack: null }), 'block WAY_BACK_NOT_FOUND'],
    ['a kept volume is missing', survey({ wayBack: { ...kept, complete: false } }), 'block WAY_BACK_INCOMPLETE'],
    [
      'memory was saved',
      survey({ present: { ...present, refusals: [{ code: 'SERVER_HAS_SAVED_STATE', message: 'saved', hint: 'drop it' }] } }),
      'block SERVER_HAS_SAVED_STATE',
    ],
  ])('is blocked when %s', (_what, found, expected) => expect(codes(planUndo(source(), found, NOW))).toContain(expected));
});

describe('planUndo of a restore of data', () => {
  it('touches no volume, and says what goes back and what is lost', () => {
    const record = {
      runId: 'run_1',
      undone: false,
      dataSet: { kind: 'files', name: 'uploads', paths: ['/srv'], excludes: [], before: null, after: null },
      recoveryPointId: 'rp_1',
      kept: { kind: 'files', directories: [], added: 1, replaced: 0, keptBytes: 0 },
    } as const;
    const changes = [{ effect: 'replaced', what: 'files', count: 1, bytes: 1, examples: [] }] as const;
    const plan = planUndo(source({ data: record }), survey({ data: { changes, findings: [], losses: ['What was written since.'] } }), NOW);
    expect(plan).toMatchObject({ volumes: [], losses: ['What was written since.'], data: { record, changes } });
    // The disks go on as they are, whatever line they were on when the data was placed.
    expect(plan.lineage).toEqual({ now: 'l1', then: 'l1' });
    expect(plan.steps.map(({ key }) => key)).toEqual(['check', 'fence', 'return', 'record']);
    expect(plan.findings).toEqual([
      { code: 'SERVER_ALIVE', severity: 'ok', message: 'The server runs on; its data goes back.', evidence: ['power state running'] },
    ]);
    expect(planUndo(source({ data: record }), survey(), NOW)).toMatchObject({
      losses: [],
      data: { record, changes: [] },
      findings: [{ code: 'SERVER_ALIVE' }],
    });
    expect(planUndo(source(), survey(), NOW)).not.toHaveProperty('data');
  });

  it.each([
    ['is silent', { ...present, agent: { state: 'silent', version: null, commands: [] } } as ServerInspection, 'power state running'],
    ['is gone', null, 'power state gone'],
  ])('is blocked when the server %s: what is kept lies in its guest', (_what, found, evidence) => {
    const record = {
      runId: 'run_1',
      undone: false,
      dataSet: { kind: 'files', name: 'uploads', paths: ['/srv'], excludes: [], before: null, after: null },
      recoveryPointId: 'rp_1',
      kept: { kind: 'files', directories: [], added: 1, replaced: 0, keptBytes: 0 },
    } as const;
    const said = { code: 'DATABASE_NOT_FOUND', severity: 'block', message: 'x', evidence: [] } as const;
    expect(planUndo(source({ data: record }), survey({ present: found, data: { changes: [], findings: [said], losses: [] } }), NOW).findings).toMatchObject([
      { code: 'AGENT_SILENT', severity: 'block', evidence: [evidence] },
    ]);
  });

  it('is blocked by what stands against it in the guest', () => {
    const data = {
      runId: 'run_1',
      undone: false,
      dataSet: { kind: 'files', name: 'uploads', paths: ['/srv'], excludes: [], before: null, after: null },
      recoveryPointId: 'rp_1',
      kept: { kind: 'files', directories: [], added: 1, replaced: 0, keptBytes: 0 },
    } as const;
    const gone = { code: 'DATABASE_NOT_FOUND', severity: 'block', message: 'What was kept is not there any more.', evidence: [] } as const;
    expect(codes(planUndo(source({ data }), survey({ data: { changes: [], findings: [gone], losses: [] } }), NOW))).toEqual([
      'ok SERVER_ALIVE',
      'block DATABASE_NOT_FOUND',
    ]);
    expect(codes(planUndo(source({ data }), survey({ data: { changes: [], findings: [], losses: [] } }), NOW))).toEqual(['ok SERVER_ALIVE']);
  });
});

describe('planUndo of a run that has kept a disk', () => {
  const vdb = { ...present.disks[0]!, target: 'vdb', path: '/srv/vm/vdb.qcow2' };
  const keeping = (changes: Partial<UndoSurvey> = {}): UndoSurvey =>
    survey({
      present: { ...present, disks: [...present.disks, vdb] },
      wayBack: { ...kept, unchanged: [{ target: 'vdb', path: vdb.path }] },
      writtenBytes: { vda: 5 * MIB, vdb: 7 * MIB },
      ...changes,
    });

  it('says that the disk stays as it is now: what was written to it is not undone', () => {
    const plan = planUndo(source(), keeping(), NOW);
    expect(plan.volumes).toEqual([
      { target: 'vda', presentPath: '/srv/vm/vda.qcow2.run_1', returnsToPath: '/srv/vm/vda.qcow2', writtenBytes: 5 * MIB },
      { target: 'vdb', presentPath: vdb.path, returnsToPath: vdb.path, writtenBytes: 7 * MIB },
    ]);
    expect(plan.findings.find(({ code }) => code === 'DISKS_KEPT')).toEqual({
      code: 'DISKS_KEPT',
      severity: 'ok',
      message: 'vdb was kept by that run and stays as now: what was written there is not undone.',
      evidence: ['vdb /srv/vm/vdb.qcow2'],
    });
    expect(plan.losses[0]).toMatch(/^Everything written to vda since it went live at .* QEMU counts 5 MiB to vda since the server was started\.$/);
    expect(planUndo(source({ wentLiveAt: null }), keeping(), NOW).losses).toEqual([
      'What was written to vdb is NOT undone and not lost: that disk stays as now, before and after.',
    ]);
    expect(plan.losses).toContain('What was written to vdb is NOT undone and not lost: that disk stays as now, before and after.');
  });

  it('keeps the file it has now, also when that is a snapshot somebody has taken since', () => {
    const overlay = { ...vdb, path: '/srv/vm/vdb.since' };
    expect(planUndo(source(), keeping({ present: { ...present, disks: [...present.disks, overlay] } }), NOW).volumes[1]).toMatchObject({
      presentPath: overlay.path,
      returnsToPath: overlay.path,
    });
  });

  it('is blocked when the server has the disk no more', () => {
    const gone = (found: Partial<UndoSurvey>) => planUndo(source(), keeping(found), NOW).findings.find(({ code }) => code === 'KEPT_DISK_DETACHED');
    expect(gone({})).toBeUndefined();
    expect(gone({ present })).toMatchObject({
      severity: 'block',
      message: 'vdb was kept by that run, and the server has it no more: another server may use the file.',
      evidence: ['vdb /srv/vm/vdb.qcow2'],
    });
    const two = [
      { target: 'vdb', path: '/srv/vm/vdb.qcow2' },
      { target: 'vdc', path: '/srv/vm/vdc.qcow2' },
    ];
    expect(gone({ present, wayBack: { ...kept, unchanged: two } })).toMatchObject({
      message: 'vdb, vdc were kept by that run, and the server has them no more: another server may use the file.',
      evidence: ['vdb /srv/vm/vdb.qcow2', 'vdc /srv/vm/vdc.qcow2'],
    });
    expect(gone({ wayBack: { ...kept, unchanged: two } })).toMatchObject({
      message: expect.stringMatching(/^vdc was/) as string,
      evidence: ['vdc /srv/vm/vdc.qcow2'],
    });
    expect(codes(planUndo(source(), keeping({ present: null }), NOW))).toEqual(['block SERVER_GONE', 'ok WAY_BACK_COMPLETE']);
  });

  it('says the same of several', () => {
    const vdc = { ...vdb, target: 'vdc', path: '/srv/vm/vdc.qcow2' };
    const plan = planUndo(
      source(),
      keeping({
        present: { ...present, disks: [...present.disks, vdb, vdc] },
        wayBack: { ...kept, unchanged: [vdb, vdc].map(({ target, path }) => ({ target, path })) },
      }),
      NOW,
    );
    expect(plan.findings.find(({ code }) => code === 'DISKS_KEPT')).toMatchObject({
      message: 'vdb, vdc were kept by that run and stay as now: what was written there is not undone.',
      evidence: ['vdb /srv/vm/vdb.qcow2', 'vdc /srv/vm/vdc.qcow2'],
    });
    const vdd = { ...vdb, target: 'vdd', path: '/srv/vm/vdd.qcow2.run_1' };
    const returning = keeping({ present: { ...present, disks: [...present.disks, vdb, vdd] } });
    expect(planUndo(source(), returning, NOW).losses[0]).toMatch(/^Everything written to vda, vdd since/);
    expect(plan.losses[2]).toBe('What was written to vdb, vdc is NOT undone and not lost: those disks stay as now, before and after.');
    expect(codes(planUndo(source(), survey(), NOW))).not.toContain('ok DISKS_KEPT');
  });
});

describe('what an undo does to the configuration', () => {
  const change = { id: 'chg_1', title: 'kernel', ticket: 'OPS-1', completedAt: '2026-03-02T11:00:00.000Z', how: 'missing', applyAgain: null } as const;
  const lostChanges = { changes: [change], returning: [], isKnown: true, drift: null };

  it('is said, and counted among what is lost; of a plan of an earlier version nothing', () => {
    const plan = planUndo({ ...source(), lostChanges }, survey(), NOW);
    expect(codes(plan)).toContain('warn CHANGES_LOST');
    expect(plan.losses.at(-1)).toBe('Configuration change "kernel" (OPS-1).');
    expect(plan.lostChanges).toEqual(lostChanges);
    expect(planUndo(source(), survey(), NOW)).not.toHaveProperty('lostChanges');
  });
});

describe('peersMayHaveFollowed', () => {
  it.each([
    ['a restore that went live', { wentLiveAt: 'then', data: null }, 'restore-server', true],
    ['an undo: its undo is a redo', { wentLiveAt: 'then' }, 'undo', true],
    ['what was never live', { wentLiveAt: null, data: null }, 'restore-server', false],
    ['data in a running server', { wentLiveAt: 'then', data: {} }, 'undo', false],
    ['a restore of data', { wentLiveAt: 'then', data: null }, 'restore-data', false],
  ] as const)('%s', (_what, undone, kind, expected) => expect(peersMayHaveFollowed(undone, kind)).toBe(expected));
});

describe('undoStaleness', () => {
  const plan = planUndo(source(), survey(), NOW);

  it('names every change once, and does not mind in which order the disks are told', () => {
    expect(undoStaleness(plan, survey({ present: null }))).toEqual([
      'the server is gone from the hypervisor',
      'the disks were [vda /srv/vm/vda.qcow2.run_1] and are now []',
    ]);
    expect(undoStaleness(plan, survey({ wayBack: null }))).toEqual(['the volumes to return to are no longer kept']);
    const disks = ['vda', 'vdb'].map((target) => ({ ...present.disks[0]!, target }));
    const [two, turned] = [disks, [...disks].reverse()].map((some) => survey({ present: { ...present, disks: some } }));
    expect(undoStaleness(planUndo(source(), two!, NOW), turned!)).toEqual([]);
    expect(undoStaleness(planUndo(source(), two!, NOW), survey())).toEqual([
      'the disks were [vda /srv/vm/vda.qcow2.run_1, vdb /srv/vm/vda.qcow2.run_1] and are now [vda /srv/vm/vda.qcow2.run_1]',
    ]);
  });

  it('holds while nothing has changed', () => expect(undoStaleness(plan, survey())).toEqual([]));

  it.each([
    [survey({ present: null }), 'the server is gone from the hypervisor'],
    [survey({ present: { ...present, definitionFingerprint: 'f2' } }), 'the definition of the server was changed'],
    [survey({ present: { ...present, disks: [] } }), 'the disks were [vda /srv/vm/vda.qcow2.run_1] and are now []'],
    [survey({ wayBack: null }), 'the volumes to return to are no longer kept'],
    [survey({ wayBack: { ...kept, complete: false } }), 'a kept volume is missing or was exchanged'],
  ])('%#', (found, sentence) => expect(undoStaleness(plan, found)).toContain(sentence));
});

describe('isTakenBack', () => {
  it('is so when nothing is kept for the run any more', () => {
    expect(isTakenBack({ present, wayBack: null })).toBe(true);
    expect(isTakenBack({ present: null, wayBack: null })).toBe(true);
  });

  it('is so when the server uses again what is kept, although that is not written down yet', () => {
    const [disk] = present.disks;
    const other = { ...disk!, target: 'vdb', path: '/srv/vm/vdb.qcow2' };
    expect(isTakenBack({ present: { ...present, disks: [other, { ...disk!, path: kept.volumes[0]!.path }] }, wayBack: kept })).toBe(true);
  });

  it('is not while the server uses others, is gone, or no disk was replaced', () => {
    expect(isTakenBack({ present, wayBack: kept })).toBe(false);
    expect(isTakenBack({ present: null, wayBack: kept })).toBe(false);
    expect(isTakenBack({ present, wayBack: { ...kept, volumes: [], unchanged: [{ target: 'vda', path: present.disks[0]!.path }] } })).toBe(false);
  });
});
