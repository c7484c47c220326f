import type { DataChoice, PlanSource } from '../../contracts/activities/planning';
import type { RestoreSurvey } from '../../contracts/plan';
import { NO_PROTECTION, type HealthCheck } from '../../contracts/protection';
import type { DiskInspection, ServerInspection } from '../../contracts/server';
import type { WayBackView } from '../../contracts/way-back';
import { SPACE_RESERVE_BYTES } from './restore-findings';
import { planRestore, staleness, usesNewVolumes } from './restore-planning';

const GIB = 1024 ** 3;
const NOW = new Date('2026-03-02T12:00:00.000Z');
const SHA = 'a'.repeat(64);

const disk = (target: string): DiskInspection => ({
  target,
  bus: 'virtio',
  path: `/srv/vm/${target}.qcow2`,
  format: 'qcow2',
  virtualSizeBytes: GIB,
  allocatedBytes: 1000,
  backingChain: [],
});

const present: ServerInspection = {
  uuid: '3f0c9c1e-1111-4222-8333-444455556666',
  domainName: 'db01',
  powerState: 'running',
  domainType: 'qemu',
  definitionFingerprint: 'f1',
  disks: [disk('vda')],
  removableMedia: [],
  firmware: 'bios',
  nvram: null,
  nics: [{ mac: '52:54:00:00:00:01', type: 'user', source: null, linkUp: true }],
  generationId: null,
  agent: { state: 'silent', version: null, commands: [] },
  refusals: [],
  memoryBytes: GIB,
  vcpus: 1,
};

const survey = (
  changes: { present?: Partial<ServerInspection> | null; manifest?: Partial<RestoreSurvey['manifest']>; freeBytes?: number } = {},
): RestoreSurvey => ({
  present: changes.present === null ? null : { ...present, ...changes.present },
  manifest: {
    format: 'modosu-image-recovery-point',
    version: 1,
    recoveryPointId: 'rp_1',
    server: { id: 'srv_1', name: 'db01', uuid: present.uuid },
    generation: 3,
    lineageId: 'l1',
    parentId: null,
    runId: 'run_0',
    reason: 'baseline',
    consistency: 'offline',
    pointInTime: '2026-03-02T09:30:00.000Z',
    publishedAt: '2026-03-02T09:31:00.000Z',
    disks: [
      {
        target: 'vda',
        virtualSizeBytes: GIB,
        image: { path: 'disks/vda.qcow2', format: 'qcow2', sizeBytes: 1000, sha256: SHA, segmentsPath: 'disks/vda.segments', segmentSizeBytes: 1 },
        origin: { path: '/srv/vm/vda.qcow2', format: 'qcow2', flattened: false },
      },
    ],
    definition: { path: 'domain.xml', sizeBytes: 10, sha256: SHA },
    definitionFingerprint: 'f1',
    nvram: null,
    removableMedia: [],
    nics: [{ mac: '52:54:00:00:00:01', type: 'user', source: null }],
    generationId: null,
    firmware: 'bios',
    domainType: 'qemu',
    powerStateBefore: 'running',
    agentBefore: 'answering',
    software: { modosu: '0.1.0' },
    ...changes.manifest,
  },
  manifestSha256: SHA,
  targets: {
    volumes: [
      { target: 'vda', replacesPath: '/srv/vm/vda.qcow2', newPath: '/srv/vm/vda.qcow2.run_1', format: 'qcow2', virtualSizeBytes: GIB, flattened: false },
    ],
    nvramNewPath: null,
    space: [{ directory: '/srv/vm', neededBytes: 1000, freeBytes: changes.freeBytes ?? GIB }],
    missingMedia: [],
  },
});

const source = (measured: readonly number[] = []): PlanSource => ({
  planId: 'plan_1',
  runId: 'run_1',
  serverId: 'srv_1',
  serverName: 'db01',
  uuid: present.uuid,
  hypervisor: 'kvm1',
  repository: 'main',
  recoveryPointId: 'rp_1',
  measuredRecoverySeconds: measured,
  protection: { ...NO_PROTECTION, nics: [{ mac: '52:54:00:00:00:01', role: 'production' }], healthChecks: [CHECK] },
  openWayBacks: [],
});
const CHECK: HealthCheck = { name: 'database', kind: 'command', argv: ['pg_isready'], timeoutSeconds: 60 };

const wayBack = (runId: string, createdAt: string, allocatedBytes: number): WayBackView => ({
  runId,
  serverId: 'srv_1',
  serverName: 'db01',
  state: 'open',
  wasGone: false,
  volumes: [{ target: 'vda', path: '/srv/vm/vda.old', allocatedBytes }],
  nvramPath: null,
  data: null,
  before: { powerState: 'running', agent: 'answering' },
  lineageBefore: 'l0',
  lineageAfter: 'l1',
  createdAt,
  expiresAt: '2026-03-09T00:00:00.000Z',
  wentLiveAt: createdAt,
  closedBy: null,
  closedAt: null,
});

const codes = (changes: Parameters<typeof survey>[0]) =>
  planRestore(source(), survey(changes), NOW).findings.map(({ code, severity }) => `${severity} ${code}`);

describe('planRestore', () => {
  it('warns that a decommissioned server stays so: nothing backs it up after the restore', () => {
    const decommissioned = { at: '2026-03-01T00:00:00.000Z', by: 'alice', reason: 'replaced by db02', keepDays: 90, protectsUntil: '2026-05-30T00:00:00.000Z' };
    const [first, ...others] = planRestore({ ...source(), decommissioned }, survey(), NOW).findings;
    expect(first).toEqual({
      code: 'SERVER_DECOMMISSIONED',
      severity: 'warn',
      message: 'The server was decommissioned at 2026-03-01T00:00:00.000Z: it stays so after this restore, and nothing backs it up until it is recommissioned.',
      remedy: 'If it is to stay, take it back into service: `modosu server recommission db01 --reason TEXT`.',
      evidence: ['by alice: replaced by db02', 'its last recovery points are protected until 2026-05-30T00:00:00.000Z'],
    });
    expect(others).toEqual(planRestore(source(), survey(), NOW).findings);
  });

  it('says beside what it looked for differences: the server itself, where that has told', () => {
    const lostChanges = { changes: [], returning: [], isKnown: true, drift: null, notCompared: { why: 'newest', generations: [1], sentences: [] } } as const;
    const factsNow = { state: 'compared', of: 1, at: '2026-03-02T11:59:00.000Z', sentences: ['1 user added ("eve")'], gaps: [] } as const;
    const planned = (asked: { readonly factsNow?: typeof factsNow }) => planRestore({ ...source(), lostChanges }, { ...survey(), ...asked }, NOW);
    expect(planned({ factsNow }).lostChanges).toEqual({ ...lostChanges, now: factsNow });
    expect(planned({ factsNow }).findings).toContainEqual(expect.objectContaining({ code: 'FACTS_DIFFER', evidence: ['1 user added ("eve")'] }));
    // Nobody has asked: a plan that an earlier version has begun.
    expect(planned({}).lostChanges).toEqual(lostChanges);
    expect(planRestore(source(), { ...survey(), factsNow }, NOW)).not.toHaveProperty('lostChanges');
  });

  it('keeps the present definition and says that power will be cut when the agent is silent', () => {
    const plan = planRestore(source(), survey(), NOW);
    expect(plan.definitionFrom).toBe('present');
    expect(plan.findings.map(({ code }) => code)).toEqual(['SERVER_NOT_ANSWERING']);
    expect(plan.findings[0]?.message).toContain('libvirt says "running"');
    expect(plan.steps.map(({ key }) => key)).toEqual([
      'check',
      'fence',
      'copy:vda',
      'recheck',
      'stop',
      'swap',
      'start',
      'agent',
      'health:database',
      'go-live',
      'record',
    ]);
    expect(plan.before).toEqual({ powerState: 'running', agent: 'silent' });
  });

  it('keeps every NIC down until go-live that is not declared as one of the backup network', () => {
    const nics = ['01', '02', '03'].map((last) => ({ mac: `52:54:00:AA:00:${last}`, type: 'user', source: null, linkUp: true }));
    const protection = {
      ...NO_PROTECTION,
      nics: [
        { mac: '52:54:00:aa:00:02', role: 'backup' as const },
        { mac: '52:54:00:aa:00:03', role: 'production' as const },
      ],
    };
    const plan = planRestore({ ...source(), protection }, survey({ present: { nics } }), NOW);
    expect(plan.quarantinedMacs).toEqual(['52:54:00:AA:00:01', '52:54:00:AA:00:03']);
    expect(plan.findings.find(({ code }) => code === 'NIC_NOT_DECLARED')).toMatchObject({ severity: 'ok', evidence: ['52:54:00:AA:00:01'] });
    expect(plan.findings.map(({ code }) => code)).toContain('NO_HEALTH_CHECKS');
  });

  it('warns of links that stay up where others share the state of the server, and of no others', () => {
    const nic = (mac: string, source: string | null, linkUp = true) => ({ mac, type: 'network', source, linkUp });
    const nics = [nic('52:54:00:aa:00:01', 'lan'), nic('52:54:00:AA:00:02', 'backup'), nic('', null), nic('52:54:00:aa:00:04', 'backup', false)];
    const role = 'backup' as const;
    const protection = { ...NO_PROTECTION, nics: ['52:54:00:aa:00:02', '52:54:00:aa:00:04'].map((mac) => ({ mac, role })) };
    const none = { relations: [], findings: [], steps: [], hasQuarantineRules: false, hasLiveRules: false };
    const warned = (replicas: readonly string[] | undefined, given: typeof nics) =>
      planRestore(
        { ...source(), protection },
        survey({ present: { nics: given } }),
        NOW,
        replicas === undefined ? none : { ...none, replicas },
      ).findings.filter(({ code }) => code === 'LINK_STAYS_UP');
    expect(warned(['db02'], nics)).toEqual([
      {
        code: 'LINK_STAYS_UP',
        severity: 'warn',
        message:
          'In quarantine links 52:54:00:AA:00:02 (backup), one without an address stay up, and the server shares its state with "db02": over them the two could replicate before any rule has said that they may.',
        remedy: expect.stringContaining('role production') as string,
        evidence: ['52:54:00:AA:00:02 (backup)', 'one without an address'],
      },
    ]);
    expect(warned(['db02'], nics.slice(0, 2))[0]?.message).toContain('link 52:54:00:AA:00:02 (backup) stays up');
    expect([warned([], nics), warned(undefined, nics), warned(['db02'], nics.slice(0, 1)), warned(['db02'], nics.slice(3))]).toEqual([[], [], [], []]);
  });

  it('warns of a declared production NIC that is not there', () => {
    const protection = { ...NO_PROTECTION, nics: [{ mac: '52:54:00:00:00:99', role: 'production' as const }], healthChecks: [CHECK] };
    expect(planRestore({ ...source(), protection }, survey(), NOW).findings.find(({ code }) => code === 'NIC_NOT_PRESENT')).toMatchObject({
      severity: 'warn',
      evidence: ['52:54:00:00:00:99'],
    });
    const several = ['01', '02'].map((last) => ({ mac: `52:54:00:00:00:${last}`, type: 'user', source: null, linkUp: true }));
    const declared = { ...protection, nics: several.map(({ mac }) => ({ mac, role: 'production' as const })) };
    expect(planRestore({ ...source(), protection: declared }, survey({ present: { nics: several } }), NOW).findings.map(({ code }) => code)).toEqual([
      'SERVER_NOT_ANSWERING',
    ]);
  });

  it('warns when health checks need an agent that nobody has seen', () => {
    const changes = { manifest: { agentBefore: 'absent' as const }, present: { agent: { state: 'absent' as const, version: null, commands: [] } } };
    expect(codes(changes)).toContain('warn HEALTH_CHECK_NEEDS_AGENT');
  });

  it('is blocked when health checks run over SSH and every NIC is down in quarantine', () => {
    const ssh = { host: '192.0.2.10', port: 22, user: 'root', sudo: false, hostKey: 'ssh-ed25519 AAAA' };
    const found = (changes: Partial<PlanSource['protection']>): readonly string[] =>
      planRestore({ ...source(), protection: { ...source().protection, ssh, ...changes } }, survey(), NOW).findings.map(
        ({ code, severity }) => `${severity} ${code}`,
      );
    expect(found({})).toContain('block HEALTH_CHECK_NEEDS_BACKUP_NETWORK');
    const allowed = [
      { ssh: null },
      { nics: [{ mac: '52:54:00:00:00:01', role: 'backup' as const }] },
      { healthChecks: [{ name: 'port', kind: 'tcp' as const, host: 'db01', port: 5432, timeoutSeconds: 60 }] },
    ];
    for (const changes of allowed) expect(found(changes)).not.toContain('block HEALTH_CHECK_NEEDS_BACKUP_NETWORK');
  });

  it('warns of a recovery point from after the incident', () => {
    const found = (incidentAt: string | null): readonly string[] =>
      planRestore({ ...source(), incidentAt }, survey(), NOW).findings.map(({ code, severity }) => `${severity} ${code}`);
    expect(found('2026-03-02T09:29:59.000Z')).toContain('warn RECOVERY_POINT_AFTER_INCIDENT');
    for (const incidentAt of [null, '2026-03-02T09:30:00.000Z']) expect(found(incidentAt)).not.toContain('warn RECOVERY_POINT_AFTER_INCIDENT');
  });

  it('counts what earlier restores have kept, and names the run that can give room back', () => {
    const openWayBacks = [wayBack('run_2', '2026-03-02T00:00:00.000Z', 2 * GIB), wayBack('run_1', '2026-03-01T00:00:00.000Z', GIB)];
    const plan = planRestore({ ...source(), openWayBacks }, survey({ freeBytes: 0 }), NOW);
    expect(plan.findings.find(({ code }) => code === 'WAY_BACKS_KEPT')?.message).toContain('3 GiB');
    expect(plan.findings.find(({ code }) => code === 'NOT_ENOUGH_SPACE')?.remedy).toContain('`modosu run confirm run_1 --reason TEXT` deletes them');
  });

  it('warns when the server is alive', () => {
    expect(codes({ present: { agent: { state: 'answering', version: '7.2', commands: [] } } })).toEqual(['warn SERVER_ALIVE']);
  });

  it('uses the definition of the recovery point when the server is gone, and stops nothing', () => {
    const plan = planRestore(source(), survey({ present: null }), NOW);
    expect(plan.definitionFrom).toBe('recovery-point');
    expect(plan.server.powerState).toBeNull();
    expect(plan.server.macs).toEqual(['52:54:00:00:00:01']);
    expect(plan.steps.map(({ key }) => key)).not.toContain('stop');
    expect(plan.findings.map(({ code }) => code)).toEqual(['SERVER_GONE']);
  });

  it('uses the definition of the recovery point when the disk set differs, and shows the difference and the loss', () => {
    const plan = planRestore(source(), survey({ present: { disks: [disk('vda'), disk('vdb')] } }), NOW);
    expect(plan.definitionFrom).toBe('recovery-point');
    const finding = plan.findings.find(({ code }) => code === 'DISK_SET_DIFFERS');
    expect(finding?.evidence).toEqual(['+ vdb (/srv/vm/vdb.qcow2) was added since and is not in the recovery point']);
    expect(plan.losses.join(' ')).toContain('does not have vdb attached');
  });

  it('names a disk that the server has no more', () => {
    const plan = planRestore(source(), survey({ present: { disks: [] } }), NOW);
    expect(plan.findings.find(({ code }) => code === 'DISK_SET_DIFFERS')?.evidence[0]).toContain('- vda (1 GiB)');
  });

  it('keeps an edited definition with the same disks and says so', () => {
    expect(codes({ present: { definitionFingerprint: 'f2' } })).toContain('ok DEFINITION_CHANGED');
  });

  it.each([
    [1000 + SPACE_RESERVE_BYTES, false],
    [1000 + SPACE_RESERVE_BYTES - 1, true],
  ])('with %d bytes free it blocks: %s', (freeBytes, blocked) => {
    const plan = planRestore(source(), survey({ freeBytes }), NOW);
    expect(plan.findings.some(({ severity }) => severity === 'block')).toBe(blocked);
    if (blocked) expect(plan.findings.at(-1)).toMatchObject({ code: 'NOT_ENOUGH_SPACE', remedy: 'Free at least 1 B in /srv/vm.' });
  });

  it('renews the generation id of a server that has one: of the definition that is used', () => {
    expect(planRestore(source(), survey({ present: { generationId: 'g' } }), NOW).renewsGenerationId).toBe(true);
    expect(planRestore(source(), survey({ manifest: { generationId: 'g' } }), NOW).renewsGenerationId).toBe(false);
    expect(planRestore(source(), survey({ present: null, manifest: { generationId: 'g' } }), NOW).renewsGenerationId).toBe(true);
  });

  it.each(['absent', 'silent'] as const)('does not wait for an agent that was %s, and says what that means', (agentBefore) => {
    const plan = planRestore(source(), survey({ manifest: { agentBefore } }), NOW);
    expect(plan.steps.map(({ key }) => key)).not.toContain('agent');
    expect(plan.findings.map(({ code }) => code)).toContain('START_CANNOT_BE_PROVEN');
    expect(codes({ present: null, manifest: { agentBefore } })).toContain('warn START_CANNOT_BE_PROVEN');
  });

  it('says from when on everything written is lost', () => {
    expect(planRestore(source(), survey(), NOW).losses[0]).toBe(
      'Everything written to vda after 2026-03-02T09:30:00.000Z (2 h 30 min ago) is not in the restored server; it stays readable in the old volumes.',
    );
  });

  it('lists media that are not copied, flattened chains and problems of the server as it stands', () => {
    const base = survey({
      present: { removableMedia: [{ target: 'sda', source: null }], refusals: [{ code: 'DISK_FILE_MISSING', message: 'vda is missing', hint: '' }] },
    });
    const flattened = { ...base, targets: { ...base.targets, volumes: base.targets.volumes.map((volume) => ({ ...volume, flattened: true })) } };
    expect(planRestore(source(), flattened, NOW).findings.map(({ code }) => code)).toEqual([
      'SERVER_NOT_ANSWERING',
      'CHAIN_FLATTENED',
      'REMOVABLE_MEDIA',
      'DISK_FILE_MISSING',
    ]);
  });

  it('says which drives come back empty, of the definition that is used', () => {
    const [iso, floppy] = [
      { target: 'sda', source: '/srv/tools.iso' },
      { target: 'fda', source: '/srv/f.img' },
    ];
    const base = survey({ present: { removableMedia: [iso] }, manifest: { removableMedia: [iso, floppy] } });
    const media = (from: RestoreSurvey, missing: readonly string[]): readonly string[] =>
      planRestore(source(), { ...from, targets: { ...from.targets, missingMedia: missing } }, NOW)
        .findings.filter(({ code }) => code.startsWith('REMOVABLE'))
        .map(({ code, severity, evidence }) => `${severity} ${code} ${evidence.join(', ')}`);
    expect(media(base, [])).toEqual(['ok REMOVABLE_MEDIA sda /srv/tools.iso']);
    expect(media(base, ['/srv/f.img'])).toEqual(['ok REMOVABLE_MEDIA sda /srv/tools.iso']);
    expect(media(base, ['/srv/tools.iso'])).toEqual(['warn REMOVABLE_MEDIUM_MISSING sda /srv/tools.iso']);
    expect(media({ ...base, present: null }, ['/srv/f.img'])).toEqual([
      'ok REMOVABLE_MEDIA sda /srv/tools.iso',
      'warn REMOVABLE_MEDIUM_MISSING fda /srv/f.img',
    ]);
    // Another disk set: the definition of the recovery point is used.
    expect(media({ ...base, present: { ...present, disks: [disk('vdb')], removableMedia: [iso] } }, [])).toEqual([
      'ok REMOVABLE_MEDIA sda /srv/tools.iso, fda /srv/f.img',
    ]);
  });

  it('does not promise old volumes of a server that is gone', () => {
    expect(planRestore(source(), survey({ present: null }), NOW).losses[0]).toMatch(
      /is not in the restored server; the server is gone, and what still lies where its disks were is left alone\.$/,
    );
  });

  it('blocks while memory is saved that belongs to the old disks', () => {
    expect(codes({ present: { powerState: 'off', refusals: [{ code: 'SERVER_HAS_SAVED_STATE', message: 'saved', hint: 'remove it' }] } })).toContain(
      'block SERVER_HAS_SAVED_STATE',
    );
  });

  it('counts the loss from the image where a data set stays as the image has it', () => {
    const pointInTime = '2026-03-02T11:00:00.000Z';
    const dataSet = { kind: 'files', name: 'uploads', paths: ['/srv'], excludes: [], before: null, after: null } as const;
    const item = {
      dataSet,
      recoveryPointId: 'rp_9',
      snapshotId: 's',
      content: { kind: 'files', paths: ['/srv'], files: 1, totalBytes: 1, problems: [] },
      selection: { kind: 'files', paths: [], replace: true },
    } as const;
    const follows: DataChoice = { dataSet: 'uploads', planned: { item, pointInTime }, why: 'newest', newestAt: pointInTime, engine: null };
    const stays: DataChoice = { dataSet: 'shop', planned: null, why: 'none', newestAt: null, engine: null };
    const seconds = (data: readonly DataChoice[]): number | undefined =>
      planRestore({ ...source(), data }, survey({ present: { agent: { state: 'answering', version: '7', commands: [] } } }), NOW).loss?.seconds;
    expect(seconds([follows])).toBe(3600);
    expect(seconds([follows, stays])).toBe(9000);
    expect(seconds([stays])).toBe(9000);
    expect(seconds([])).toBe(9000);
  });

  it('estimates from three measured restores on, never from fewer', () => {
    expect(planRestore(source([10, 20]), survey(), NOW).estimate).toBeNull();
    expect(planRestore(source([30, 10, 20]), survey(), NOW).estimate).toEqual({ p50Seconds: 20, p90Seconds: 30, basedOnRuns: 3 });
  });
});

describe('what stands in a plan', () => {
  const answering = { agent: { state: 'answering' as const, version: '7.2', commands: [] } };
  const finding = (code: string, changes: Parameters<typeof survey>[0] = {}, more: Partial<PlanSource> = {}) =>
    planRestore({ ...source(), ...more }, survey(changes), NOW).findings.find((candidate) => candidate.code === code);
  const protectedBy = (changes: Partial<PlanSource['protection']>): Partial<PlanSource> => ({ protection: { ...source().protection, ...changes } });

  it('is what was surveyed, and which run will carry it out', () => {
    const {
      steps: _steps,
      findings: _findings,
      losses: _losses,
      ...plan
    } = planRestore({ ...source([3, 1, 2]), incidentAt: '2026-03-02T11:30:00.000Z' }, survey(), NOW);
    expect(plan).toEqual({
      planId: 'plan_1',
      runId: 'run_1',
      scenario: 'server',
      server: {
        serverId: 'srv_1',
        name: 'db01',
        uuid: present.uuid,
        hypervisor: 'kvm1',
        domainName: 'db01',
        macs: ['52:54:00:00:00:01'],
        powerState: 'running',
      },
      recoveryPoint: { id: 'rp_1', generation: 3, pointInTime: '2026-03-02T09:30:00.000Z', consistency: 'offline', reason: 'baseline', repository: 'main' },
      definitionFrom: 'present',
      volumes: survey().targets.volumes,
      keptDisks: [],
      oldDisks: [],
      nvramNewPath: null,
      renewsGenerationId: false,
      quarantinedMacs: ['52:54:00:00:00:01'],
      healthChecks: [CHECK],
      data: [],
      loss: { incidentAt: '2026-03-02T11:30:00.000Z', pointInTime: '2026-03-02T09:30:00.000Z', seconds: 7200 },
      before: { powerState: 'running', agent: 'silent' },
      space: survey().targets.space,
      estimate: { p50Seconds: 2, p90Seconds: 3, basedOnRuns: 3 },
      basis: { definitionFingerprint: 'f1', disks: [{ target: 'vda', path: '/srv/vm/vda.qcow2' }], recoveryPointId: 'rp_1', manifestSha256: SHA },
      createdAt: '2026-03-02T12:00:00.000Z',
    });
  });

  it('of a server that is gone is what the recovery point says of it', () => {
    const nics = [{ mac: '52:54:00:00:00:07', type: 'user', source: null }];
    expect(planRestore(source(), survey({ present: null, manifest: { nics } }), NOW)).toMatchObject({
      server: { domainName: null, macs: ['52:54:00:00:00:07'], powerState: null },
      quarantinedMacs: ['52:54:00:00:00:07'],
      before: { powerState: 'off', agent: 'absent' },
      basis: { definitionFingerprint: null, disks: [] },
    });
  });

  it('are the NICs of the definition that is used, quarantined where they have an address', () => {
    const nics = [
      { mac: '', type: 'user', source: null, linkUp: true },
      { mac: '52:54:00:00:00:08', type: 'user', source: null, linkUp: true },
    ];
    const plan = planRestore(
      source(),
      survey({ present: { nics, disks: [] }, manifest: { nics: [{ mac: '52:54:00:00:00:09', type: 'user', source: null }] } }),
      NOW,
    );
    expect([plan.definitionFrom, plan.server.macs, plan.quarantinedMacs]).toEqual(['recovery-point', ['', '52:54:00:00:00:08'], ['52:54:00:00:00:09']]);
    expect(planRestore(source(), survey({ present: { nics } }), NOW).quarantinedMacs).toEqual(['52:54:00:00:00:08']);
  });

  it('is a step for the firmware variables where there are some', () => {
    const base = survey();
    const plan = planRestore(source(), { ...base, targets: { ...base.targets, nvramNewPath: '/srv/vm/db01.fd.run_1' } }, NOW);
    expect([plan.nvramNewPath, plan.steps.map(({ key }) => key).slice(2, 5)]).toEqual(['/srv/vm/db01.fd.run_1', ['copy:vda', 'nvram', 'recheck']]);
  });

  it('is a wait for an agent that answers now, although it did not answer before', () => {
    const plan = planRestore(source(), survey({ present: answering, manifest: { agentBefore: 'absent' } }), NOW);
    expect(plan.steps.map(({ key }) => key)).toContain('agent');
    expect(plan.findings.map(({ code }) => code)).not.toContain('START_CANNOT_BE_PROVEN');
  });

  it.each<[string, string, Parameters<typeof survey>[0], Partial<PlanSource>, object]>([
    ['a server that is gone', 'SERVER_GONE', { present: null }, {}, { severity: 'warn', evidence: [`uuid ${present.uuid}`] }],
    ['a server that is off', 'SERVER_OFF', { present: { powerState: 'off' } }, {}, { severity: 'ok', evidence: [] }],
    ['a server that is alive', 'SERVER_ALIVE', { present: answering }, {}, { severity: 'warn', evidence: ['power state running', 'agent version 7.2'] }],
    [
      'an agent that does not say its version',
      'SERVER_ALIVE',
      { present: { agent: { ...answering.agent, version: null } } },
      {},
      { evidence: ['power state running', 'agent version unknown'] },
    ],
    [
      'a server that is silent',
      'SERVER_NOT_ANSWERING',
      { present: { powerState: 'paused' } },
      {},
      { severity: 'ok', message: expect.stringContaining('libvirt says "paused"') as string, evidence: ['agent silent'] },
    ],
    ['an edited definition', 'DEFINITION_CHANGED', { present: { definitionFingerprint: 'f2' } }, {}, { severity: 'ok', evidence: [] }],
    ['another set of disks', 'DISK_SET_DIFFERS', { present: { disks: [] } }, {}, { severity: 'warn' }],
    [
      'a start that nobody could see',
      'START_CANNOT_BE_PROVEN',
      { manifest: { agentBefore: 'silent', powerStateBefore: 'paused' } },
      {},
      { severity: 'warn', evidence: ['agent silent when the recovery point was taken', 'power state paused then'] },
    ],
    ['a generation id', 'GENERATION_ID_RENEWED', { present: { generationId: 'g' } }, {}, { severity: 'ok', evidence: [] }],
    [
      'what is wrong with the server',
      'DISK_FILE_MISSING',
      { present: { refusals: [{ code: 'DISK_FILE_MISSING', message: 'vda is missing.', hint: 'Look for it.' }] } },
      {},
      { severity: 'warn', message: 'The server as it stands: vda is missing.', remedy: 'Look for it.', evidence: [] },
    ],
    ['no health checks', 'NO_HEALTH_CHECKS', {}, protectedBy({ healthChecks: [] }), { severity: 'ok', evidence: [] }],
    [
      'checks that need an agent',
      'HEALTH_CHECK_NEEDS_AGENT',
      { manifest: { agentBefore: 'absent' } },
      protectedBy({ healthChecks: [CHECK, { name: 'port', kind: 'tcp', host: 'db01', port: 5432, timeoutSeconds: 60 }] }),
      { severity: 'warn', evidence: ['database (command)'] },
    ],
  ])('is said of %s: %s', (_what, code, changes, more, expected) => expect(finding(code, changes, more)).toMatchObject(expected));

  it.each<[string, string, Parameters<typeof survey>[0], Partial<PlanSource>]>([
    ['a server that is gone, whose definition differs', 'DISK_SET_DIFFERS', { present: null }, {}],
    ['a server that is gone, whose definition is another', 'DEFINITION_CHANGED', { present: null }, {}],
    ['a definition that is the same', 'DEFINITION_CHANGED', {}, {}],
    ['a server without a generation id', 'GENERATION_ID_RENEWED', {}, {}],
    ['a generation id that only the recovery point has', 'GENERATION_ID_RENEWED', { manifest: { generationId: 'g' } }, {}],
    [
      'checks over TCP and an agent nobody has seen',
      'HEALTH_CHECK_NEEDS_AGENT',
      { manifest: { agentBefore: 'absent' } },
      protectedBy({ healthChecks: [{ name: 'port', kind: 'tcp', host: 'db01', port: 5432, timeoutSeconds: 60 }] }),
    ],
    [
      'checks over SSH and an agent nobody has seen',
      'HEALTH_CHECK_NEEDS_AGENT',
      { manifest: { agentBefore: 'absent' } },
      protectedBy({ ssh: { host: '192.0.2.10', port: 22, user: 'root', sudo: false, hostKey: 'ssh-ed25519 AAAA' } }),
    ],
    ['an agent that has been seen', 'HEALTH_CHECK_NEEDS_AGENT', {}, {}],
    ['health checks that are declared', 'NO_HEALTH_CHECKS', {}, {}],
    [
      'a declared NIC of the backup network that is not there',
      'NIC_NOT_PRESENT',
      {},
      protectedBy({
        nics: [
          { mac: '52:54:00:00:00:01', role: 'production' },
          { mac: '52:54:00:00:00:99', role: 'backup' },
        ],
      }),
    ],
    [
      'a NIC that is declared in capitals',
      'NIC_NOT_PRESENT',
      { present: { nics: [{ mac: '52:54:00:00:00:ab', type: 'user', source: null, linkUp: true }] } },
      protectedBy({ nics: [{ mac: '52:54:00:00:00:AB', role: 'production' }] }),
    ],
    [
      'a NIC that is declared in capitals, either way',
      'NIC_NOT_DECLARED',
      { present: { nics: [{ mac: '52:54:00:00:00:aB', type: 'user', source: null, linkUp: true }] } },
      protectedBy({ nics: [{ mac: '52:54:00:00:00:Ab', role: 'production' }] }),
    ],
    ['nothing that was kept', 'WAY_BACKS_KEPT', {}, {}],
    ['volumes that stand alone', 'CHAIN_FLATTENED', {}, {}],
  ])('is nothing for %s: %s', (_what, code, changes, more) => expect(finding(code, changes, more)).toBeUndefined());

  it('names the volumes that come back without their backing files, and drives that are empty', () => {
    const base = survey({ present: { disks: [disk('vda'), disk('vdb')], removableMedia: [{ target: 'sda', source: null }] } });
    const [vda] = base.targets.volumes;
    const volumes = [vda!, { ...vda!, target: 'vdb', newPath: '/srv/vm/vdb.qcow2.run_1', flattened: true }];
    const { findings } = planRestore(
      source(),
      {
        ...base,
        manifest: {
          ...base.manifest,
          removableMedia: [{ target: 'sda', source: null }],
          disks: [base.manifest.disks[0]!, { ...base.manifest.disks[0]!, target: 'vdb' }],
        },
        targets: { ...base.targets, volumes, missingMedia: ['/srv/else.iso'] },
      },
      NOW,
    );
    expect(findings.filter(({ code }) => code !== 'SERVER_NOT_ANSWERING').map(({ code, severity, evidence }) => [code, severity, evidence])).toEqual([
      ['CHAIN_FLATTENED', 'warn', ['vdb /srv/vm/vdb.qcow2.run_1']],
      ['REMOVABLE_MEDIA', 'ok', ['sda empty']],
    ]);
  });

  it('says what earlier runs have kept, and offers what may be given up: the oldest that went live', () => {
    const waiting = { ...wayBack('run_1', '2026-03-01T00:00:00.000Z', GIB), wentLiveAt: null };
    const [newest, older] = [wayBack('run_3', '2026-03-02T00:00:00.000Z', 3 * GIB), wayBack('run_2', '2026-03-01T12:00:00.000Z', 2 * GIB)];
    const kept = (openWayBacks: readonly WayBackView[]) => planRestore({ ...source(), openWayBacks }, survey({ freeBytes: 0 }), NOW).findings;
    const [way, space] = kept([newest, older, waiting]).slice(-2);
    expect(way).toMatchObject({
      severity: 'ok',
      message: 'Volumes of 3 earlier runs are still kept: 6 GiB. This restore keeps the present ones as well.',
      evidence: [
        'run run_3: 3 GiB until 2026-03-09T00:00:00.000Z',
        'run run_2: 2 GiB until 2026-03-09T00:00:00.000Z',
        'run run_1: 1 GiB until 2026-03-09T00:00:00.000Z',
      ],
    });
    expect(space).toMatchObject({
      code: 'NOT_ENOUGH_SPACE',
      severity: 'block',
      remedy: 'Free at least 64.1 MiB in /srv/vm. Volumes that run run_2 has kept hold 2 GiB: `modosu run confirm run_2 --reason TEXT` deletes them.',
      evidence: ['needed 1000 bytes and a reserve of 67108864', 'free 0 bytes'],
    });
    expect(kept([waiting]).slice(-2)).toMatchObject([
      { message: 'Volumes of an earlier run are still kept: 1 GiB. This restore keeps the present ones as well.' },
      { remedy: 'Free at least 64.1 MiB in /srv/vm.' },
    ]);
  });
});

describe('a plan with data that follows the image', () => {
  const at = '2026-03-02T11:00:00.000Z';
  const dataSet = { kind: 'files', name: 'uploads', paths: ['/srv'], excludes: [], before: null, after: null } as const;
  const item = {
    dataSet,
    recoveryPointId: 'rp_9',
    snapshotId: 's',
    content: { kind: 'files', paths: ['/srv'], files: 1, totalBytes: 1, problems: [] },
    selection: { kind: 'files', paths: [], replace: true },
  } as const;
  const follows: DataChoice = { dataSet: 'uploads', planned: { item, pointInTime: at }, why: 'newest', newestAt: at, engine: null };
  const backup = { mac: '52:54:00:00:00:02', type: 'user', source: null, linkUp: true };
  const production = present.nics[0]!;
  const plan = (changes: Parameters<typeof survey>[0] = {}, more: Partial<PlanSource> = {}) =>
    planRestore({ ...source(), data: [follows], ...more }, survey(changes), NOW);
  const blocks = (body: ReturnType<typeof plan>): readonly (readonly [string, readonly string[]])[] =>
    body.findings.filter(({ severity }) => severity === 'block').map(({ code, evidence }) => [code, evidence]);
  const declared: PlanSource['protection'] = {
    ...source().protection,
    nics: [
      { mac: '52:54:00:00:00:01', role: 'production' },
      { mac: '52:54:00:00:00:02', role: 'backup' },
    ],
  };

  it('fetches it after the agent has answered, over the backup network', () => {
    const body = plan({ present: { nics: [production, backup] } }, { protection: declared });
    expect(body.data).toEqual([follows.planned]);
    expect(body.steps.map(({ key }) => key).slice(-6)).toEqual(['agent', 'data-fetch:uploads', 'data-place:uploads', 'health:database', 'go-live', 'record']);
    expect(blocks(body)).toEqual([]);
    expect(body.findings.map(({ code }) => code)).toContain('DATA_FOLLOWS');
  });

  it('is blocked while the guest could not reach the data repository, or nobody has seen its agent', () => {
    expect(blocks(plan())).toEqual([['DATA_NEEDS_BACKUP_NETWORK', ['52:54:00:00:00:01']]]);
    expect(blocks(plan({ present: { nics: [production, backup] } }))).toEqual([['DATA_NEEDS_BACKUP_NETWORK', ['52:54:00:00:00:01', '52:54:00:00:00:02']]]);
    expect(blocks(plan({ present: { nics: [production, backup] }, manifest: { agentBefore: 'absent' } }, { protection: declared }))).toEqual([
      ['DATA_NEEDS_AGENT', ['uploads']],
    ]);
    expect(blocks(plan({ manifest: { agentBefore: 'absent' } }, { data: [] }))).toEqual([]);
    expect(
      blocks(
        plan(
          { present: { nics: [production, backup] } },
          { protection: { ...declared, ssh: { host: '192.0.2.10', port: 22, user: 'root', sudo: false, hostKey: 'ssh-ed25519 AAAA' } } },
        ),
      ),
    ).toEqual([]);
  });

  it('names checks over SSH that no NIC lets through', () => {
    const ssh = { host: '192.0.2.10', port: 22, user: 'root', sudo: false, hostKey: 'ssh-ed25519 AAAA' };
    expect(
      blocks(
        plan(
          {},
          {
            data: [],
            protection: { ...source().protection, ssh, healthChecks: [CHECK, { name: 'port', kind: 'tcp', host: 'db01', port: 5432, timeoutSeconds: 60 }] },
          },
        ),
      ),
    ).toEqual([['HEALTH_CHECK_NEEDS_BACKUP_NETWORK', ['database (command)']]]);
  });

  it('says what is lost of the system and of the data', () => {
    expect(plan().losses).toEqual([
      'Everything written to vda after 2026-03-02T09:30:00.000Z (2 h 30 min ago) is not in the restored server, except the data that follows; it stays readable in the old volumes.',
      'Data uploads: what was written after 2026-03-02T11:00:00.000Z (1 h ago) is not in the restored server.',
      'Settings, packages and passwords changed since then go back as well.',
    ]);
    expect(planRestore(source(), survey({ present: { disks: [disk('vda'), disk('vdb'), disk('vdc')] } }), NOW).losses.slice(1)).toEqual([
      'The restored server does not have vdb, vdc attached.',
      'Settings, packages and passwords changed since then go back as well.',
    ]);
    expect(planRestore(source(), survey({ present: null }), NOW).losses).toHaveLength(2);
  });
});

describe('the restored server', () => {
  const plan = {
    volumes: [{ ...planRestore(source(), survey(), NOW).volumes[0]!, newPath: '/srv/vm/vda.qcow2.run_1' }],
    nvramNewPath: '/srv/vm/db01.fd.run_1',
  };
  it.each([
    ['has a new volume, if only among others', ['/srv/vm/snapshot', '/srv/vm/vda.qcow2.run_1', '/srv/vm/db01.fd'], true],
    ['has the new NVRAM', ['/srv/vm/vda.qcow2', '/srv/vm/db01.fd.run_1'], true],
    ['is not the one with the old volumes', ['/srv/vm/vda.qcow2', '/srv/vm/db01.fd'], false],
    ['is not one with those of an earlier run', ['/srv/vm/vda.qcow2.run_0', '/srv/vm/db01.fd'], false],
    ['is none where the hypervisor knows no server', [], false],
  ])('%s', (_what, files, expected) => {
    expect(usesNewVolumes(plan, files)).toBe(expected);
  });

  it('is not known by an NVRAM where it has no new one', () => {
    expect(usesNewVolumes({ ...plan, nvramNewPath: null }, ['/srv/vm/db01.fd.run_1'])).toBe(false);
  });
});

describe('staleness', () => {
  it('names every change once, and nothing that the plan has known', () => {
    const saved = { code: 'SERVER_HAS_SAVED_STATE', message: 'memory was saved', hint: '' } as const;
    const missing = { code: 'DISK_FILE_MISSING', message: 'vda is missing', hint: '' } as const;
    expect(staleness(planRestore(source(), survey({ present: { refusals: [saved] } }), NOW), survey({ present: { refusals: [saved] } }))).toEqual([]);
    // Only what blocks: the rest is what the restore mends.
    expect(staleness(planRestore(source(), survey(), NOW), survey({ present: { refusals: [missing] } }))).toEqual([]);
    expect(staleness(planRestore(source(), survey(), NOW), survey({ present: { refusals: [missing, saved] } }))).toEqual([
      'The server as it stands: memory was saved',
    ]);
    const gone = planRestore(source(), survey({ present: null }), NOW);
    expect(staleness(gone, survey({ present: null }))).toEqual([]);
    expect(staleness(gone, survey())).toEqual(['the server exists on the hypervisor again', 'the disks were [] and are now [vda /srv/vm/vda.qcow2]']);
    expect(staleness(planRestore(source(), survey(), NOW), survey({ present: null }))).toEqual([
      'the server is gone from the hypervisor',
      'the disks were [vda /srv/vm/vda.qcow2] and are now []',
    ]);
    expect(staleness(planRestore(source(), survey(), NOW), survey({ present: { definitionFingerprint: 'f2' } }))).toEqual([
      'the definition of the server was changed',
    ]);
    expect(staleness(planRestore(source(), survey(), NOW), survey({ manifest: { recoveryPointId: 'rp_2' } }))).toEqual(['the recovery point was changed']);
  });

  it('does not mind in which order the disks are told', () => {
    const disks = [disk('vda'), disk('vdb')];
    expect(staleness(planRestore(source(), survey({ present: { disks } }), NOW), survey({ present: { disks: [...disks].reverse() } }))).toEqual([]);
    expect(staleness(planRestore(source(), survey({ present: { disks } }), NOW), survey({ present: { disks: [disk('vdc'), disk('vda')] } }))).toEqual([
      'the disks were [vda /srv/vm/vda.qcow2, vdb /srv/vm/vdb.qcow2] and are now [vda /srv/vm/vda.qcow2, vdc /srv/vm/vdc.qcow2]',
    ]);
  });

  const planned = planRestore(source(), survey(), NOW);
  const answering = { agent: { state: 'answering' as const, version: '7.2', commands: [] } };
  it('is empty while nothing changed', () => expect(staleness(planned, survey())).toEqual([]));
  it.each([
    ['an edited definition', survey({ present: { definitionFingerprint: 'f2' } }), 'the definition of the server was changed'],
    ['a vanished server', survey({ present: null }), 'the server is gone from the hypervisor'],
    ['another recovery point', { ...survey(), manifestSha256: 'b' }, 'the recovery point was changed'],
    ['another disk', survey({ present: { disks: [disk('vdb')] } }), 'the disks were [vda /srv/vm/vda.qcow2] and are now [vdb /srv/vm/vdb.qcow2]'],
    ['a server that somebody has repaired', survey({ present: answering }), 'the guest agent did not answer and answers now: the server is alive'],
    [
      'memory saved meanwhile',
      survey({ present: { refusals: [{ code: 'SERVER_HAS_SAVED_STATE', message: 'memory was saved', hint: '' }] } }),
      'The server as it stands: memory was saved',
    ],
  ])('names %s', (_what, now, sentence) => {
    expect(staleness(planned, now)).toContain(sentence);
  });
  it('names a server that has come back', () => {
    expect(staleness(planRestore(source(), survey({ present: null }), NOW), survey())).toContain('the server exists on the hypervisor again');
  });
  it('does not mind that a server known to be alive still is, nor that the copies have taken their room', () => {
    expect(staleness(planRestore(source(), survey({ present: answering }), NOW), survey({ present: answering, freeBytes: 0 }))).toEqual([]);
    const edited = { ...answering, definitionFingerprint: 'f2' };
    const plan = planRestore(source(), survey({ present: edited }), NOW);
    expect(plan.findings.map(({ code }) => code)).toEqual(['SERVER_ALIVE', 'DEFINITION_CHANGED']);
    expect(staleness(plan, survey({ present: edited }))).toEqual([]);
  });
});
