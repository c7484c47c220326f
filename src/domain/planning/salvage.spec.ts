import type { PlanSource } from '../../contracts/activities/planning';
import type { ErrorSummary } from '../../contracts/errors';
import { NO_PROTECTION, type Protection } from '../../contracts/protection';
import type { Finding, RestorePlanBody, RestoreSurvey } from '../../contracts/plan';
import type { DiskInspection, ServerInspection } from '../../contracts/server';
import { planRestore, staleness } from './restore-planning';
import { compareDiskSets } from './salvage';

const GIB = 1024 ** 3;
const NOW = new Date('2026-03-02T12:00:00.000Z');
const POINT = '2026-03-02T09:30:00.000Z';
const SHA = 'a'.repeat(64);
const DATA: Protection['disks'] = [
  { target: 'vda', role: 'system' },
  { target: 'vdb', role: 'data' },
];
const ANSWERING: ServerInspection['agent'] = { state: 'answering', version: '7', commands: [] };

const disk = (target: string, changes: Partial<DiskInspection> = {}): DiskInspection => ({
  target,
  bus: 'virtio',
  path: `/srv/vm/${target}.qcow2`,
  format: 'qcow2',
  virtualSizeBytes: GIB,
  allocatedBytes: 1000,
  backingChain: [],
  ...changes,
});
const refusal = (code: ErrorSummary['code'], message: string): ErrorSummary => ({ code, message, hint: '' });

interface World {
  /** Now; null: the server is gone. Default: vda and vdb. */
  readonly disks?: readonly DiskInspection[] | null;
  /** Targets in the recovery point. */
  readonly then?: readonly string[];
  /** Of all disks, or by target. */
  readonly thenBytes?: number | Readonly<Record<string, number>>;
  readonly declared?: Protection['disks'];
  readonly keep?: readonly string[];
  readonly attach?: readonly string[];
  readonly powerState?: ServerInspection['powerState'];
  readonly agent?: ServerInspection['agent'];
  readonly refusals?: readonly ErrorSummary[];
  /** Targets the worker near the hypervisor has planned volumes for. Default: those that are not kept. */
  readonly planned?: readonly string[];
}

function surveyOf({
  disks = [disk('vda'), disk('vdb')],
  then = ['vda', 'vdb'],
  thenBytes = GIB,
  keep = [],
  powerState = 'running',
  agent,
  refusals = [],
  planned,
}: World): RestoreSurvey {
  const restored = planned ?? then.filter((target) => !keep.includes(target));
  return {
    present:
      disks === null
        ? null
        : {
            uuid: 'u',
            domainName: 'db01',
            powerState,
            domainType: 'qemu',
            definitionFingerprint: 'f1',
            disks,
            removableMedia: [],
            firmware: 'bios',
            nvram: null,
            nics: [],
            generationId: null,
            agent: agent ?? { state: 'silent', version: null, commands: [] },
            refusals,
            memoryBytes: GIB,
            vcpus: 1,
          },
    manifest: {
      format: 'modosu-image-recovery-point',
      version: 1,
      recoveryPointId: 'rp_1',
      server: { id: 'srv_1', name: 'db01', uuid: 'u' },
      generation: 3,
      lineageId: 'l1',
      parentId: null,
      runId: 'run_0',
      reason: 'baseline',
      consistency: 'offline',
      pointInTime: POINT,
      publishedAt: POINT,
      disks: then.map((target) => ({
        target,
        virtualSizeBytes: typeof thenBytes === 'number' ? thenBytes : (thenBytes[target] ?? GIB),
        image: { path: `disks/${target}.qcow2`, format: 'qcow2', sizeBytes: 1000, sha256: SHA, segmentsPath: 's', segmentSizeBytes: 1 },
        origin: { path: `/srv/vm/${target}.qcow2`, format: 'qcow2', flattened: false },
      })),
      definition: { path: 'domain.xml', sizeBytes: 10, sha256: SHA },
      definitionFingerprint: 'f1',
      nvram: null,
      removableMedia: [],
      nics: [],
      generationId: null,
      firmware: 'bios',
      domainType: 'qemu',
      powerStateBefore: 'running',
      agentBefore: 'answering',
      software: { modosu: '0.1.0' },
    },
    manifestSha256: SHA,
    targets: {
      volumes: restored.map((target) => ({
        target,
        replacesPath: `/srv/vm/${target}.qcow2`,
        newPath: `/srv/vm/${target}.qcow2.run_1`,
        format: 'qcow2',
        virtualSizeBytes: GIB,
        flattened: false,
      })),
      nvramNewPath: null,
      space: [{ directory: '/srv/vm', neededBytes: restored.length * 1000, freeBytes: GIB }],
      missingMedia: [],
    },
  };
}

const plan = (world: World = {}): RestorePlanBody => {
  const source: PlanSource = {
    planId: 'plan_1',
    runId: 'run_1',
    serverId: 'srv_1',
    serverName: 'db01',
    uuid: 'u',
    hypervisor: 'kvm1',
    repository: 'main',
    recoveryPointId: 'rp_1',
    keepDisks: world.keep ?? [],
    attachOldDisks: world.attach ?? [],
    measuredRecoverySeconds: [],
    protection: { ...NO_PROTECTION, disks: world.declared ?? DATA },
    openWayBacks: [],
  };
  const body = planRestore(source, surveyOf(world), NOW);
  expect(body.findings.map(({ code }) => typeof code)).toEqual(body.findings.map(() => 'string'));
  return body;
};
const finding = (body: RestorePlanBody, code: string): Finding | undefined => body.findings.find((candidate) => candidate.code === code);

describe('a plan that restores all disks', () => {
  it('offers to keep an intact data disk, and compares what each way loses', () => {
    const body = plan();
    expect(body.keptDisks).toEqual([]);
    expect(finding(body, 'SALVAGE_POSSIBLE')).toEqual({
      code: 'SALVAGE_POSSIBLE',
      severity: 'ok',
      message: 'vdb can be read and is a data disk: it can stay as now while the rest is restored.',
      remedy: '--keep-disk vdb',
      evidence: [`all disks: everything since ${POINT} on vda, vdb is lost`, 'keeping vdb: only vda goes back'],
    });
    expect(body.losses[0]).toContain('Everything written to vda, vdb after');
  });

  it('offers all of several', () => {
    const declared = [...DATA, { target: 'vdc', role: 'data' as const }];
    const world = { disks: ['vda', 'vdb', 'vdc'].map((target) => disk(target)), then: ['vda', 'vdb', 'vdc'], declared };
    expect(finding(plan(world), 'SALVAGE_POSSIBLE')).toMatchObject({
      message: 'vdb, vdc can be read and are data disks: they can stay as now while the rest is restored.',
      remedy: '--keep-disk vdb --keep-disk vdc',
    });
    expect(finding(plan({ ...world, keep: ['vdb'] }), 'SALVAGE_POSSIBLE')).toMatchObject({
      remedy: '--keep-disk vdb --keep-disk vdc',
      evidence: [`keeping vdb: everything since ${POINT} on vda, vdc is lost`, 'keeping vdb, vdc: only vda goes back'],
    });
  });

  it('says that a data disk added since would be detached otherwise', () => {
    const body = plan({ then: ['vda'] });
    expect(body.definitionFrom).toBe('recovery-point');
    expect(finding(body, 'SALVAGE_POSSIBLE')?.evidence).toEqual([
      `all disks: everything since ${POINT} on vda is lost, and vdb is detached`,
      'keeping vdb: only vda goes back',
    ]);
  });

  it.each<[string, World]>([
    ['nothing is declared', { declared: [] }],
    ['it is declared as system', { declared: [{ target: 'vdb', role: 'system' }] }],
    ['the data disk is not there', { declared: [{ target: 'vdz', role: 'data' }] }],
    ['its file is missing', { disks: [disk('vda'), disk('vdb', { virtualSizeBytes: 0 })] }],
    ['it is the only disk', { disks: [disk('vdb')], then: ['vdb'] }],
    [
      'all disks are data',
      {
        declared: [
          { target: 'vda', role: 'data' },
          { target: 'vdb', role: 'data' },
        ],
      },
    ],
    ['another disk was added that is none of data', { disks: [disk('vda'), disk('vdb'), disk('vdc')] }],
    ['the running server uses other files', { refusals: [refusal('SERVER_DEFINITION_DIFFERS', 'db01 runs with other disks than its definition says: vdb.')] }],
    ['the server is gone', { disks: null }],
  ])('offers nothing where %s', (_what, world) => expect(finding(plan(world), 'SALVAGE_POSSIBLE')).toBeUndefined());
});

describe('a plan that keeps a data disk', () => {
  it('copies, swaps and loses only the others', () => {
    const body = plan({ keep: ['vdb'] });
    expect(body.definitionFrom).toBe('present');
    expect(body.volumes.map(({ target }) => target)).toEqual(['vda']);
    expect(body.keptDisks).toEqual([{ target: 'vdb', path: '/srv/vm/vdb.qcow2', virtualSizeBytes: GIB }]);
    expect(body.steps.filter(({ key }) => key.startsWith('copy:')).map(({ key }) => key)).toEqual(['copy:vda']);
    expect(body.space).toEqual([{ directory: '/srv/vm', neededBytes: 1000, freeBytes: GIB }]);
    expect(body.losses).toEqual([
      `Everything written to vda after ${POINT} (2 h 30 min ago) is not in the restored server; it stays readable in the old volumes.`,
      'vdb stays as now: nothing written to it is lost.',
      'From its start in quarantine on the restored server writes to vdb: neither a restore that fails there nor an undo takes that back.',
      'Settings, packages and passwords changed since then go back as well.',
    ]);
    expect(finding(body, 'SALVAGE_POSSIBLE')).toBeUndefined();
  });

  it('does not copy a kept disk that an earlier worker has planned a volume for', () => {
    expect(plan({ keep: ['vdb'], planned: ['vda', 'vdb'] }).volumes.map(({ target }) => target)).toEqual(['vda']);
  });

  it.each<[string, World, string, string]>([
    ['crash-consistent when its power is cut', {}, 'warn', 'the power of the server is cut: crash-consistent, as after a power failure'],
    ['crash-consistent when it is paused', { powerState: 'paused' }, 'warn', 'the power of the server is cut: crash-consistent, as after a power failure'],
    ['clean when the agent answers', { agent: ANSWERING }, 'ok', 'the server is shut down by its guest agent first: unmounted cleanly'],
    ['as it was left when the server is off', { powerState: 'off' }, 'ok', 'the server is off: they are as it has left them, cleanly or not'],
  ])('says that it is newer, and %s', (_what, world, severity, evidence) => {
    const kept = finding(plan({ ...world, keep: ['vdb'] }), 'DISKS_KEPT');
    expect(kept).toMatchObject({ severity, message: 'vdb stays as now and is newer than vda: programs there meet data that they have not written yet.' });
    expect(kept?.evidence).toEqual(['vdb /srv/vm/vdb.qcow2 (1 GiB)', evidence]);
  });

  it('warns when it has another size than in the recovery point', () => {
    expect(finding(plan({ keep: ['vdb'], thenBytes: 2 * GIB }), 'KEPT_DISK_SIZE_DIFFERS')).toMatchObject({
      severity: 'warn',
      evidence: ['vdb is 1 GiB now and was 2 GiB in the recovery point'],
    });
  });

  it('does not warn when another disk has', () => {
    expect(finding(plan({ keep: ['vdb'], thenBytes: { vda: 3 * GIB } }), 'KEPT_DISK_SIZE_DIFFERS')).toBeUndefined();
  });

  it('need not be in the recovery point: it stays attached', () => {
    const body = plan({ keep: ['vdb'], then: ['vda'] });
    expect(body.definitionFrom).toBe('present');
    expect(finding(body, 'DISK_SET_DIFFERS')).toBeUndefined();
    expect(finding(body, 'DISKS_KEPT')?.evidence[0]).toBe('vdb /srv/vm/vdb.qcow2 (1 GiB), added since the recovery point');
    expect(body.losses.join(' ')).not.toContain('attached');
  });

  it('says the same of several', () => {
    const world: World = {
      disks: ['vda', 'vdb', 'vdc'].map((target) => disk(target)),
      then: ['vda', 'vdb', 'vdc'],
      declared: [...DATA, { target: 'vdc', role: 'data' }],
      keep: ['vdb', 'vdc'],
    };
    const body = plan(world);
    expect(finding(body, 'DISKS_KEPT')).toMatchObject({
      message: 'vdb, vdc stay as now and are newer than vda: programs there meet data that they have not written yet.',
      evidence: [
        'vdb /srv/vm/vdb.qcow2 (1 GiB)',
        'vdc /srv/vm/vdc.qcow2 (1 GiB)',
        'the power of the server is cut: crash-consistent, as after a power failure',
      ],
    });
    expect(body.losses.slice(1, 3)).toEqual([
      'vdb, vdc stay as now: nothing written to them is lost.',
      'From its start in quarantine on the restored server writes to vdb, vdc: neither a restore that fails there nor an undo takes that back.',
    ]);
    expect(
      finding(plan({ ...world, keep: ['vdb'], disks: ['vda', 'vdb'].map((target) => disk(target)), then: ['vda', 'vdb'] }), 'KEPT_DISK_SIZE_DIFFERS'),
    ).toBeUndefined();
    expect(finding(plan({ ...world, keep: ['vdb'] }), 'DISKS_KEPT')?.message).toContain('is newer than vda, vdc:');
    expect(finding(plan({ ...world, keep: ['vdb'], thenBytes: 2 * GIB }), 'KEPT_DISK_SIZE_DIFFERS')?.message).toContain('vda, vdc may expect');
  });

  it('does not offer to keep what cannot be kept with it', () => {
    const declared: Protection['disks'] = [...DATA, { target: 'vdc', role: 'data' }];
    const disks = [disk('vda'), disk('vdb'), disk('vdc', { virtualSizeBytes: 0 })];
    expect(finding(plan({ keep: ['vdb'], disks, declared }), 'DISK_SET_DIFFERS')).toMatchObject({
      remedy: expect.stringContaining('or plan without --keep-disk') as string,
    });
    const system = finding(plan({ keep: ['vdb'], disks: ['vda', 'vdb', 'vdc', 'vdd'].map((target) => disk(target)), declared }), 'DISK_SET_DIFFERS');
    expect(system).toMatchObject({
      remedy: 'Keep them as well: --keep-disk vdc',
      evidence: [
        '+ vdc (/srv/vm/vdc.qcow2) was added since and is not in the recovery point',
        '+ vdd (/srv/vm/vdd.qcow2) was added since and is not in the recovery point',
      ],
    });
  });

  it('compares no disks of a server that is gone', () => expect(compareDiskSets(surveyOf({ disks: null }), [])).toEqual([]));

  it('offers several that would be detached, and several that go back', () => {
    const declared: Protection['disks'] = [...DATA, { target: 'vdc', role: 'data' }];
    const body = plan({ disks: ['vda', 'vdb', 'vdc', 'vdd'].map((target) => disk(target)), then: ['vda', 'vdd'], declared });
    expect(finding(body, 'SALVAGE_POSSIBLE')?.evidence).toEqual([
      `all disks: everything since ${POINT} on vda, vdd is lost, and vdb, vdc are detached`,
      'keeping vdb, vdc: only vda, vdd go back',
    ]);
  });

  it.each<[string, World, string, string]>([
    [
      'another disk was added since',
      { disks: [disk('vda'), disk('vdb'), disk('vdc')] },
      '+ vdc (/srv/vm/vdc.qcow2) was added since and is not in the recovery point',
      'Make the disks of the definition those of the recovery point, or plan without --keep-disk.',
    ],
    [
      'a data disk was added since',
      { disks: [disk('vda'), disk('vdb'), disk('vdc')], declared: [...DATA, { target: 'vdc', role: 'data' }] },
      '+ vdc (/srv/vm/vdc.qcow2) was added since and is not in the recovery point',
      'Keep them as well: --keep-disk vdc',
    ],
    [
      'a disk is there no more',
      { then: ['vda', 'vdb', 'vdc'] },
      '- vdc (1 GiB) is in the recovery point, the server has it no more',
      'Make the disks of the definition those of the recovery point, or plan without --keep-disk.',
    ],
  ])('is blocked when %s: the definition of the recovery point is never used with it', (_what, world, evidence, remedy) => {
    const body = plan({ ...world, keep: ['vdb'] });
    expect(body.definitionFrom).toBe('present');
    expect(finding(body, 'DISK_SET_DIFFERS')).toMatchObject({ severity: 'block', evidence: [evidence], remedy });
  });
});

describe('a plan that attaches an old data disk', () => {
  it('restores all disks, and names the old volume and what to beware of', () => {
    const body = plan({ attach: ['vdb'] });
    expect(body.volumes.map(({ target }) => target)).toEqual(['vda', 'vdb']);
    expect(body.oldDisks).toEqual([{ target: 'vdb', path: '/srv/vm/vdb.qcow2', format: 'qcow2' }]);
    expect(body.steps.map(({ key }) => key).slice(-3)).toEqual(['attach:vdb', 'go-live', 'record']);
    expect(finding(body, 'OLD_DISKS_ATTACHED')).toMatchObject({
      severity: 'warn',
      evidence: ['vdb: serial modosu-old-vdb, /srv/vm/vdb.qcow2'],
      remedy: expect.stringContaining('before the guest restarts') as string,
    });
    expect(plan().oldDisks).toEqual([]);
  });
});

describe('a disk that cannot be kept, or whose old volume cannot be attached, is refused', () => {
  const refused = (world: World): { code: string; message: string; hint: string } => {
    try {
      plan(world);
    } catch (thrown) {
      return thrown as { code: string; message: string; hint: string };
    }
    throw new Error('it was planned');
  };

  it.each<[string, World, string, string, string]>([
    ['one the server does not have', { keep: ['vdc'] }, 'DISK_NOT_FOUND', 'db01 has no disk vdc.', 'It has vda, vdb: name one of them, by its target.'],
    ['a system disk', { keep: ['vda'] }, 'DISK_NOT_KEEPABLE', 'vda counts as a system disk of db01', 'disks: [{ target: vda, role: data }]'],
    [
      'one that nobody has declared',
      { keep: ['vdb'], declared: [] },
      'DISK_NOT_KEEPABLE',
      'vdb counts as a system disk of db01',
      'disks: [{ target: vdb, role: data }]',
    ],
    [
      'all disks',
      {
        keep: ['vda', 'vdb'],
        declared: [
          { target: 'vda', role: 'data' },
          { target: 'vdb', role: 'data' },
        ],
      },
      'DISK_NOT_KEEPABLE',
      'With vda, vdb kept nothing of db01 would be restored.',
      'without --keep-disk',
    ],
    [
      'all disks of the recovery point',
      { keep: ['vdb'], then: ['vdb'] },
      'DISK_NOT_KEEPABLE',
      'With vdb kept nothing of db01 would be restored.',
      'without --keep-disk',
    ],
    [
      'the only disk it has',
      { keep: ['vdb'], disks: [disk('vdb')] },
      'DISK_NOT_KEEPABLE',
      'With vdb kept nothing of db01 would be restored.',
      'without --keep-disk',
    ],
    ['one of a server that is gone', { keep: ['vdb'], disks: null }, 'DISK_NOT_KEEPABLE', 'the hypervisor no longer knows db01', 'without --keep-disk'],
    [
      'one whose file is missing',
      {
        keep: ['vdb'],
        disks: [disk('vda'), disk('vdb', { virtualSizeBytes: 0 })],
        refusals: [refusal('DISK_FILE_MISSING', 'The disk file /srv/vm/vdb.qcow2 does not exist.')],
      },
      'DISK_NOT_KEEPABLE',
      'vdb cannot be kept: The disk file /srv/vm/vdb.qcow2 does not exist.',
      'without --keep-disk',
    ],
    [
      'one whose header was refused',
      {
        keep: ['vdb'],
        disks: [disk('vda'), disk('vdb', { virtualSizeBytes: 0 })],
        refusals: [refusal('IMAGE_HEADER_REFUSED', 'The header of /srv/vm/vdb.qcow2 names another file.')],
      },
      'DISK_NOT_KEEPABLE',
      'The header of /srv/vm/vdb.qcow2 names another file.',
      'without --keep-disk',
    ],
    [
      'one that is empty',
      { keep: ['vdb'], disks: [disk('vda'), disk('vdb', { virtualSizeBytes: 0 })] },
      'DISK_NOT_KEEPABLE',
      'its file /srv/vm/vdb.qcow2 is empty or cannot be read.',
      'without --keep-disk',
    ],
    [
      'one that is the same file as another',
      { keep: ['vdb'], disks: [disk('vda'), disk('vdb', { path: '/srv/vm/vda.qcow2' })] },
      'DISK_NOT_KEEPABLE',
      'it is the same file as vda.',
      'without --keep-disk',
    ],
    ['to attach one the server does not have', { attach: ['vdc'] }, 'DISK_NOT_FOUND', 'db01 has no disk vdc.', 'It has vda, vdb'],
    ['to attach one that is kept', { attach: ['vdb'], keep: ['vdb'] }, 'OLD_DISK_NOT_ATTACHABLE', 'it is kept as it is', 'not both'],
    ['to attach a system disk', { attach: ['vda'] }, 'OLD_DISK_NOT_ATTACHABLE', 'it counts as a system disk', 'disks: [{ target: vda, role: data }]'],
    [
      'to attach one that is not replaced',
      { attach: ['vdb'], then: ['vda'] },
      'OLD_DISK_NOT_ATTACHABLE',
      'the recovery point has no such disk',
      '--keep-disk vdb',
    ],
    [
      'to attach one whose file is missing',
      { attach: ['vdb'], disks: [disk('vda'), disk('vdb', { virtualSizeBytes: 0 })] },
      'OLD_DISK_NOT_ATTACHABLE',
      'its file /srv/vm/vdb.qcow2 is empty or cannot be read.',
      'without --attach-old-disk',
    ],
    [
      'to attach one of a server that is gone',
      { attach: ['vdb'], disks: null },
      'OLD_DISK_NOT_ATTACHABLE',
      'the hypervisor no longer knows the server',
      'without --attach-old-disk',
    ],
    [
      'one that is another file in the running server',
      { keep: ['vdb'], refusals: [refusal('SERVER_DEFINITION_DIFFERS', 'db01 runs with other disks than its definition says: vdb.')] },
      'DISK_NOT_KEEPABLE',
      'Nobody can say which file holds its newest data.',
      'without --keep-disk',
    ],
  ])('%s', (_what, world, code, message, hint) => {
    expect(refused(world)).toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
      hint: expect.stringContaining(hint) as string,
      context: { target: (world.attach ?? world.keep ?? []).join(', ') },
    });
  });

  it('for what stands against it alone', () => {
    // What is wrong with another disk, or with the server, says nothing about this one.
    const refusals = [refusal('SERVER_HAS_SAVED_STATE', 'Memory was saved.'), refusal('DISK_FILE_MISSING', 'The disk file /srv/vm/vda.qcow2 does not exist.')];
    expect(plan({ keep: ['vdb'], refusals }).keptDisks).toHaveLength(1);
    expect(refused({ keep: ['vdb'], disks: [disk('vda'), disk('vdb', { virtualSizeBytes: 0 })], refusals }).message).toBe(
      'vdb cannot be kept: its file /srv/vm/vdb.qcow2 is empty or cannot be read.',
    );
    expect(
      plan({
        attach: ['vdb'],
        keep: ['vdc'],
        disks: ['vda', 'vdb', 'vdc'].map((target) => disk(target)),
        then: ['vda', 'vdb', 'vdc'],
        declared: [...DATA, { target: 'vdc', role: 'data' }],
      }).oldDisks,
    ).toEqual([{ target: 'vdb', path: '/srv/vm/vdb.qcow2', format: 'qcow2' }]);
  });
});

describe('a plan that keeps a disk is stale', () => {
  const planned = plan({ keep: ['vdb'] });
  it('not while nothing has changed', () => expect(staleness(planned, surveyOf({ keep: ['vdb'] }))).toEqual([]));

  it.each<[string, World, string]>([
    [
      'its path has changed',
      { disks: [disk('vda'), disk('vdb', { path: '/srv/vm/other.qcow2' })] },
      'the disks were [vda /srv/vm/vda.qcow2, vdb /srv/vm/vdb.qcow2] and are now [vda /srv/vm/vda.qcow2, vdb /srv/vm/other.qcow2]',
    ],
    [
      'its file cannot be read any more',
      {
        disks: [disk('vda'), disk('vdb', { virtualSizeBytes: 0 })],
        refusals: [refusal('DISK_FILE_MISSING', 'The disk file /srv/vm/vdb.qcow2 does not exist.')],
      },
      'vdb can no longer be kept: The disk file /srv/vm/vdb.qcow2 does not exist.',
    ],
    ['its size has changed', { disks: [disk('vda'), disk('vdb', { virtualSizeBytes: 2 * GIB })] }, 'vdb, which is to be kept, had 1 GiB and has 2 GiB'],
    [
      'the running server uses another file',
      { refusals: [refusal('SERVER_DEFINITION_DIFFERS', 'db01 runs with other disks.')] },
      'vdb can no longer be kept: db01 runs with other disks. Nobody can say which file holds its newest data.',
    ],
  ])('when %s', (_what, world, sentence) => expect(staleness(planned, surveyOf({ keep: ['vdb'], ...world }))).toContain(sentence));

  it('not when the server or the disk is gone: the basis of every plan says that', () => {
    expect(staleness(planned, surveyOf({ keep: ['vdb'], disks: null })).filter((sentence) => sentence.startsWith('vdb'))).toEqual([]);
    expect(staleness(planned, surveyOf({ keep: ['vdb'], disks: [disk('vda')] }))).toEqual([
      'the disks were [vda /srv/vm/vda.qcow2, vdb /srv/vm/vdb.qcow2] and are now [vda /srv/vm/vda.qcow2]',
    ]);
  });

  it('never for what it does not keep: plans of earlier versions say nothing about it', () => {
    const { keptDisks: _none, ...earlier } = plan();
    expect(staleness(earlier, surveyOf({}))).toEqual([]);
  });
});
