import type { DataChoice, PlanSource } from '../../contracts/activities';
import type { RestoreSurvey } from '../../contracts/plan';
import { NO_PROTECTION, type HealthCheck } from '../../contracts/protection';
import type { DiskInspection, ServerInspection } from '../../contracts/server';
import type { WayBackView } from '../../contracts/way-back';
import { planRestore, SPACE_RESERVE_BYTES, staleness } from './restore-planning';

const GIB = 1024 ** 3;
const NOW = new Date('2026-03-02T12:00:00.000Z');
const SHA = 'a'.repeat(64);

const disk = (target: string): DiskInspection => ({ target, bus: 'virtio', path: `/srv/vm/${target}.qcow2`, format: 'qcow2', virtualSizeBytes: GIB, allocatedBytes: 1000, backingChain: [] });

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

const survey = (changes: { present?: Partial<ServerInspection> | null; manifest?: Partial<RestoreSurvey['manifest']>; freeBytes?: number } = {}): RestoreSurvey => ({
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
    disks: [{ target: 'vda', virtualSizeBytes: GIB, image: { path: 'disks/vda.qcow2', format: 'qcow2', sizeBytes: 1000, sha256: SHA, segmentsPath: 'disks/vda.segments', segmentSizeBytes: 1 }, origin: { path: '/srv/vm/vda.qcow2', format: 'qcow2', flattened: false } }],
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
    volumes: [{ target: 'vda', replacesPath: '/srv/vm/vda.qcow2', newPath: '/srv/vm/vda.qcow2.run_1', format: 'qcow2', virtualSizeBytes: GIB, flattened: false }],
    nvramNewPath: null,
    space: [{ directory: '/srv/vm', neededBytes: 1000, freeBytes: changes.freeBytes ?? GIB }],
    missingMedia: [],
  },
});

const source = (measured: readonly number[] = []): PlanSource => ({
  planId: 'plan_1', runId: 'run_1', serverId: 'srv_1', serverName: 'db01', uuid: present.uuid, hypervisor: 'kvm1', repository: 'main', recoveryPointId: 'rp_1', measuredRecoverySeconds: measured,
  protection: { ...NO_PROTECTION, nics: [{ mac: '52:54:00:00:00:01', role: 'production' }], healthChecks: [CHECK] }, openWayBacks: [],
});
const CHECK: HealthCheck = { name: 'database', kind: 'command', argv: ['pg_isready'], timeoutSeconds: 60 };

const wayBack = (runId: string, createdAt: string, allocatedBytes: number): WayBackView => ({
  runId, serverId: 'srv_1', serverName: 'db01', state: 'open', wasGone: false, volumes: [{ target: 'vda', path: '/srv/vm/vda.old', allocatedBytes }], nvramPath: null, data: null,
  before: { powerState: 'running', agent: 'answering' }, lineageBefore: 'l0', lineageAfter: 'l1', createdAt, expiresAt: '2026-03-09T00:00:00.000Z', wentLiveAt: createdAt, closedBy: null, closedAt: null,
});

const codes = (changes: Parameters<typeof survey>[0]) => planRestore(source(), survey(changes), NOW).findings.map(({ code, severity }) => `${severity} ${code}`);

describe('planRestore', () => {
  it('keeps the present definition and says that power will be cut when the agent is silent', () => {
    const plan = planRestore(source(), survey(), NOW);
    expect(plan.definitionFrom).toBe('present');
    expect(plan.findings.map(({ code }) => code)).toEqual(['SERVER_NOT_ANSWERING']);
    expect(plan.findings[0]?.message).toContain('libvirt says "running"');
    expect(plan.steps.map(({ key }) => key)).toEqual(['check', 'fence', 'copy:vda', 'recheck', 'stop', 'swap', 'start', 'agent', 'health:database', 'go-live', 'record']);
    expect(plan.before).toEqual({ powerState: 'running', agent: 'silent' });
  });

  it('keeps every NIC down until go-live that is not declared as one of the backup network', () => {
    const nics = ['01', '02', '03'].map((last) => ({ mac: `52:54:00:AA:00:${last}`, type: 'user', source: null, linkUp: true }));
    const protection = { ...NO_PROTECTION, nics: [{ mac: '52:54:00:aa:00:02', role: 'backup' as const }, { mac: '52:54:00:aa:00:03', role: 'production' as const }] };
    const plan = planRestore({ ...source(), protection }, survey({ present: { nics } }), NOW);
    expect(plan.quarantinedMacs).toEqual(['52:54:00:AA:00:01', '52:54:00:AA:00:03']);
    expect(plan.findings.find(({ code }) => code === 'NIC_NOT_DECLARED')).toMatchObject({ severity: 'ok', evidence: ['52:54:00:AA:00:01'] });
    expect(plan.findings.map(({ code }) => code)).toContain('NO_HEALTH_CHECKS');
  });

  it('warns of a declared production NIC that is not there', () => {
    const protection = { ...NO_PROTECTION, nics: [{ mac: '52:54:00:00:00:99', role: 'production' as const }], healthChecks: [CHECK] };
    expect(planRestore({ ...source(), protection }, survey(), NOW).findings.find(({ code }) => code === 'NIC_NOT_PRESENT')).toMatchObject({ severity: 'warn', evidence: ['52:54:00:00:00:99'] });
  });

  it('warns when health checks need an agent that nobody has seen', () => {
    const changes = { manifest: { agentBefore: 'absent' as const }, present: { agent: { state: 'absent' as const, version: null, commands: [] } } };
    expect(codes(changes)).toContain('warn HEALTH_CHECK_NEEDS_AGENT');
  });

  it('is blocked when health checks run over SSH and every NIC is down in quarantine', () => {
    const ssh = { host: '192.0.2.10', port: 22, user: 'root', sudo: false, hostKey: 'ssh-ed25519 AAAA' };
    const found = (changes: Partial<PlanSource['protection']>): readonly string[] => planRestore({ ...source(), protection: { ...source().protection, ssh, ...changes } }, survey(), NOW).findings.map(({ code, severity }) => `${severity} ${code}`);
    expect(found({})).toContain('block HEALTH_CHECK_NEEDS_BACKUP_NETWORK');
    const allowed = [{ ssh: null }, { nics: [{ mac: '52:54:00:00:00:01', role: 'backup' as const }] }, { healthChecks: [{ name: 'port', kind: 'tcp' as const, host: 'db01', port: 5432, timeoutSeconds: 60 }] }];
    for (const changes of allowed) expect(found(changes)).not.toContain('block HEALTH_CHECK_NEEDS_BACKUP_NETWORK');
  });

  it('warns of a recovery point from after the incident', () => {
    const found = (incidentAt: string | null): readonly string[] => planRestore({ ...source(), incidentAt }, survey(), NOW).findings.map(({ code, severity }) => `${severity} ${code}`);
    expect(found('2026-03-02T09:29:59.000Z')).toContain('warn RECOVERY_POINT_AFTER_INCIDENT');
    for (const incidentAt of [null, '2026-03-02T09:30:00.000Z']) expect(found(incidentAt)).not.toContain('warn RECOVERY_POINT_AFTER_INCIDENT');
  });

  it('counts what earlier restores have kept, and names the run that can give room back', () => {
    const openWayBacks = [wayBack('run_2', '2026-03-02T00:00:00.000Z', 2 * GIB), wayBack('run_1', '2026-03-01T00:00:00.000Z', GIB)];
    const plan = planRestore({ ...source(), openWayBacks }, survey({ freeBytes: 0 }), NOW);
    expect(plan.findings.find(({ code }) => code === 'WAY_BACKS_KEPT')?.message).toContain('3 GiB');
    expect(plan.findings.find(({ code }) => code === 'NOT_ENOUGH_SPACE')?.remedy).toContain('modosu run confirm run_1 deletes them');
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
  });

  it('says from when on everything written is lost', () => {
    expect(planRestore(source(), survey(), NOW).losses[0]).toBe(
      'Everything written to vda after 2026-03-02T09:30:00.000Z (2 h 30 min ago) is not in the restored server; it stays readable in the old volumes.',
    );
  });

  it('lists media that are not copied, flattened chains and problems of the server as it stands', () => {
    const base = survey({ present: { removableMedia: [{ target: 'sda', source: null }], refusals: [{ code: 'DISK_FILE_MISSING', message: 'vda is missing', hint: '' }] } });
    const flattened = { ...base, targets: { ...base.targets, volumes: base.targets.volumes.map((volume) => ({ ...volume, flattened: true })) } };
    expect(planRestore(source(), flattened, NOW).findings.map(({ code }) => code)).toEqual(['SERVER_NOT_ANSWERING', 'CHAIN_FLATTENED', 'REMOVABLE_MEDIA', 'DISK_FILE_MISSING']);
  });

  it('says which drives come back empty, of the definition that is used', () => {
    const [iso, floppy] = [{ target: 'sda', source: '/srv/tools.iso' }, { target: 'fda', source: '/srv/f.img' }];
    const base = survey({ present: { removableMedia: [iso] }, manifest: { removableMedia: [iso, floppy] } });
    const media = (from: RestoreSurvey, missing: readonly string[]): readonly string[] =>
      planRestore(source(), { ...from, targets: { ...from.targets, missingMedia: missing } }, NOW).findings.filter(({ code }) => code.startsWith('REMOVABLE')).map(({ code, severity, evidence }) => `${severity} ${code} ${evidence.join(', ')}`);
    expect(media(base, [])).toEqual(['ok REMOVABLE_MEDIA sda /srv/tools.iso']);
    expect(media(base, ['/srv/f.img'])).toEqual(['ok REMOVABLE_MEDIA sda /srv/tools.iso']);
    expect(media(base, ['/srv/tools.iso'])).toEqual(['warn REMOVABLE_MEDIUM_MISSING sda /srv/tools.iso']);
    expect(media({ ...base, present: null }, ['/srv/f.img'])).toEqual(['ok REMOVABLE_MEDIA sda /srv/tools.iso', 'warn REMOVABLE_MEDIUM_MISSING fda /srv/f.img']);
  });

  it('does not promise old volumes of a server that is gone', () => {
    expect(planRestore(source(), survey({ present: null }), NOW).losses[0]).toMatch(/is not in the restored server; the server is gone, and what still lies where its disks were is left alone\.$/);
  });

  it('blocks while memory is saved that belongs to the old disks', () => {
    expect(codes({ present: { powerState: 'off', refusals: [{ code: 'SERVER_HAS_SAVED_STATE', message: 'saved', hint: 'remove it' }] } })).toContain('block SERVER_HAS_SAVED_STATE');
  });

  it('counts the loss from the image where a data set stays as the image has it', () => {
    const pointInTime = '2026-03-02T11:00:00.000Z';
    const dataSet = { kind: 'files', name: 'uploads', paths: ['/srv'], excludes: [], before: null, after: null } as const;
    const item = { dataSet, recoveryPointId: 'rp_9', snapshotId: 's', content: { kind: 'files', paths: ['/srv'], files: 1, totalBytes: 1, problems: [] }, selection: { kind: 'files', paths: [], replace: true } } as const;
    const follows: DataChoice = { dataSet: 'uploads', planned: { item, pointInTime }, why: 'newest', newestAt: pointInTime, engine: null };
    const stays: DataChoice = { dataSet: 'shop', planned: null, why: 'none', newestAt: null, engine: null };
    const seconds = (data: readonly DataChoice[]): number | undefined => planRestore({ ...source(), data }, survey({ present: { agent: { state: 'answering', version: '7', commands: [] } } }), NOW).loss?.seconds;
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

describe('staleness', () => {
  const planned = planRestore(source(), survey(), NOW);
  const answering = { agent: { state: 'answering' as const, version: '7.2', commands: [] } };
  it('is empty while nothing changed', () => expect(staleness(planned, survey())).toEqual([]));
  it.each([
    ['an edited definition', survey({ present: { definitionFingerprint: 'f2' } }), 'the definition of the server was changed'],
    ['a vanished server', survey({ present: null }), 'the server is gone from the hypervisor'],
    ['another recovery point', { ...survey(), manifestSha256: 'b' }, 'the recovery point was changed'],
    ['another disk', survey({ present: { disks: [disk('vdb')] } }), 'the disks were [vda /srv/vm/vda.qcow2] and are now [vdb /srv/vm/vdb.qcow2]'],
    ['a server that somebody has repaired', survey({ present: answering }), 'the guest agent did not answer and answers now: the server is alive'],
    ['memory saved meanwhile', survey({ present: { refusals: [{ code: 'SERVER_HAS_SAVED_STATE', message: 'memory was saved', hint: '' }] } }), 'The server as it stands: memory was saved'],
  ])('names %s', (_what, now, sentence) => {
    expect(staleness(planned, now)).toContain(sentence);
  });
  it('names a server that has come back', () => {
    expect(staleness(planRestore(source(), survey({ present: null }), NOW), survey())).toContain('the server exists on the hypervisor again');
  });
  it('does not mind that a server known to be alive still is, nor that the copies have taken their room', () => {
    expect(staleness(planRestore(source(), survey({ present: answering }), NOW), survey({ present: answering, freeBytes: 0 }))).toEqual([]);
  });
});
