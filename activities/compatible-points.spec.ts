import type { Catalog, ServerRecord } from '../src/catalog/catalog';
import { estateSchema } from '../src/contracts/api/estate';
import type { Finding, RestorePlanBody, RestoreSurvey } from '../src/contracts/plan';
import type { FoundProfiles, Profile } from '../src/contracts/profile';
import type { SideReadings } from '../src/contracts/reading';
import type { ImageManifest } from '../src/contracts/recovery-point';
import type { BackupImageInput, PlanRestoreInput } from '../src/contracts/workflows';
import type { ActivityDependencies } from './dependencies';
import { PlanningJudgements } from './planning-activities';
import { dataManifest } from '../test/contract/catalog.data.contract';
import { codeOf, ESTATE, manifestOf, refusal, RESOLVED } from '../test/contract/catalog.fixtures';
import { createFakeCatalog } from '../test/support/fake-catalog';

/** db01 replicates with web01, which must not be ahead of what is restored. Generation N is of the Nth of January, and has come to 10 * N. */

const PROFILE: Profile = {
  format: 'modosu-profile',
  version: 1,
  name: 'positions',
  title: 'Positions',
  status: 'proven',
  description: '',
  parameters: [],
  markers: ['position', 'epoch'].map((name) => ({
    name,
    type: 'counter',
    of: 'each',
    probe: { kind: 'command', argv: ['/usr/bin/position', name] },
    timeoutSeconds: 5,
    isCaptured: true,
  })),
  rules: (['position', 'epoch'] as const).map((marker) => ({
    code: marker === 'position' ? 'PEER_AHEAD' : 'EPOCH_AHEAD',
    phases: ['plan'],
    when: [{ compare: { marker, of: 'peer', at: 'now' }, with: { marker, of: 'server', at: 'recovery-point' }, is: ['ahead'] }],
    severity: marker === 'position' ? 'block' : 'step',
    message: '${peer} has seen more.',
    remedy: 'Rebuild ${peer}.',
    step: marker === 'position' ? null : { title: 'Raise the epoch', argv: null, on: 'peer', when: 'live' },
  })),
};

const RELATION = { name: 'copies', type: 'replicates-with', server: 'db01', peers: [{ server: 'web01' }], profile: 'positions' };
const BACK = { name: 'copies-back', type: 'replicates-with', server: 'web01', peers: [{ server: 'db01' }], profile: 'positions' };

const PLAN = 'plan_01aaaaaaaaaaaaaaaaaaaaaaaa';

const sideOf = (of: 'server' | 'peer', values: Readonly<Record<string, number>>): SideReadings => ({
  relation: 'copies',
  peer: 'web01',
  of,
  readings: Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, { state: 'read', value: String(value), raw: String(value), at: '2026-02-01T00:00:00.000Z' }]),
  ),
});

describe('a plan whose peers may not accept what it restores', () => {
  let catalog: Catalog;
  let server: ServerRecord;
  let judgements: PlanningJudgements;
  let manifests: Map<string, ImageManifest>;

  const declare = async (...relations: readonly object[]): Promise<void> => {
    const groups = [{ name: 'shop', servers: ['db01', 'web01'] }];
    await catalog.applyEstate('setup', estateSchema.parse({ ...ESTATE, groups, relations }), RESOLVED, { prune: true });
  };

  beforeEach(async () => {
    catalog = createFakeCatalog();
    await declare(RELATION, BACK);
    server = await catalog.getServer('db01');
    manifests = new Map();
    const profiles = { find: async (): Promise<FoundProfiles> => ({ profiles: [{ profile: PROFILE, origin: 'own', file: 'positions.yaml' }], problems: [] }) };
    judgements = new PlanningJudgements({ catalog, profiles } as unknown as ActivityDependencies);
  });

  const image = async (generation: number, values: Readonly<Record<string, number>> | null, changes: Partial<ImageManifest> = {}): Promise<string> => {
    const markers = values === null ? undefined : [sideOf('server', values)];
    const manifest = manifestOf(server, generation, { markers, ...changes });
    manifests.set(manifest.recoveryPointId, manifest);
    return (await catalog.recordRecoveryPoint(manifest, 'main')).id;
  };
  const images = async (...generations: readonly number[]): Promise<readonly string[]> => {
    const ids: string[] = [];
    for (const generation of generations) ids.push(await image(generation, { position: 10 * generation, epoch: 1 }));
    return ids;
  };
  const peerSays = (values: Readonly<Record<string, number>>, planId = PLAN): Promise<void> => catalog.recordReadings(planId, [sideOf('peer', values)]);

  /** As the workflow of a plan does, after the peers were asked. */
  const plan = async (asked: Partial<PlanRestoreInput> = {}, peer: Readonly<Record<string, number>> = { position: 25, epoch: 1 }): Promise<RestorePlanBody> => {
    const { planId } = await catalog.acceptPlan({
      actor: 'alice',
      idempotencyKey: null,
      requestDigest: 'p',
      serverId: server.id,
      scenario: 'server',
      recoveryPointId: null,
    });
    await peerSays(peer, planId);
    const source = await judgements.choosePlanSource({ planId, serverId: server.id, recoveryPointId: null, leaveChanges: false, ...asked });
    const manifest = manifests.get(source.recoveryPointId);
    if (manifest === undefined) throw new Error('no manifest');
    const survey: RestoreSurvey = {
      present: null,
      manifest,
      manifestSha256: 'a'.repeat(64),
      targets: { volumes: [], nvramNewPath: null, space: [], missingMedia: [] },
    };
    await judgements.composePlan(source, survey);
    const { body } = await catalog.getPlan(planId);
    if (body?.scenario !== 'server') throw new Error('no plan');
    return body;
  };
  const said = ({ findings }: RestorePlanBody): readonly string[] =>
    findings.filter(({ code, relation }) => relation !== undefined || code.includes('COMPATIBLE')).map(({ code, severity }) => `${severity} ${code}`);
  const find = ({ findings }: RestorePlanBody, code: string): Finding => {
    const found = findings.find((finding) => finding.code === code);
    if (found === undefined) throw new Error(`no finding ${code}`);
    return found;
  };

  it('says nothing of others where nothing speaks against it', async () => {
    await images(1, 2, 3);
    expect(said(await plan())).toEqual(['ok RELATION_AGREES']);
    expect(said(await plan({}, { position: 25, epoch: 2 }))).toEqual(['step EPOCH_AHEAD']);
  });

  it('warns of a link that stays up in quarantine where another server shares its state, from whichever side that is declared', async () => {
    // Without an address nobody can unplug it.
    await image(1, { position: 10, epoch: 1 }, { nics: [{ mac: '', type: 'user', source: null }] });
    const warned = async () => (await plan()).findings.filter(({ code }) => code === 'LINK_STAYS_UP').map(({ message }) => message);
    expect(await warned()).toEqual([expect.stringContaining('shares its state with "web01"')]);
    await declare(BACK);
    expect(await warned()).toHaveLength(1);
    await declare({ ...RELATION, type: 'depends-on' });
    expect(await warned()).toEqual([]);
  });

  it('names the newest that they would accept, what it costs, and the command', async () => {
    const [, , third] = await images(1, 2, 3);
    await image(4, { position: 5, epoch: 1 });
    await image(5, null);
    const body = await plan({ leaveChanges: true, keepDisks: [] });
    expect(said(body)).toEqual(['unknown MARKER_NOT_CAPTURED', 'warn COMPATIBLE_POINT']);
    expect(find(body, 'COMPATIBLE_POINT')).toMatchObject({
      message: expect.stringMatching(
        /generation 3 of 2026-01-03T00:00:00\.000Z \(.* ago\), the newest of 3 looked at that its peers would accept\. It costs 2 d beside generation 5: what was written to the disks after 2026-01-03T00:00:00\.000Z is not in it\.$/,
      ) as string,
      remedy: `Plan with it: \`modosu restore plan db01 --scenario server --recovery-point ${third} --leave-changes\`.`,
      evidence: [
        `recovery point ${third}, generation 3, 2026-01-03T00:00:00.000Z: costs ${2 * 86_400} s`,
        'generation 5, 2026-01-05T00:00:00.000Z: MARKER_NOT_CAPTURED',
        'generation 4, 2026-01-04T00:00:00.000Z: PEER_AHEAD',
      ],
    });
  });

  it('judges a named one beside all the others: a newer one that is accepted loses less', async () => {
    const [first, , third] = await images(1, 2, 3);
    const body = await plan({ recoveryPointId: first });
    expect(said(body)).toEqual(['block PEER_AHEAD', 'warn COMPATIBLE_POINT']);
    const { message, remedy } = find(body, 'COMPATIBLE_POINT');
    expect(message).toContain('It loses 2 d less than generation 1.');
    expect(remedy).toContain(`--recovery-point ${third}`);
  });

  it('prefers one without steps, and says what a newer one with steps would cost', async () => {
    await image(1, { position: 30, epoch: 2 });
    const second = await image(2, { position: 30, epoch: 1 });
    await image(3, { position: 1, epoch: 2 });
    const { message, remedy } = find(await plan({}, { position: 25, epoch: 2 }), 'COMPATIBLE_POINT');
    expect(message).toMatch(
      /generation 1 .* It costs 2 d .* Generation 2 .* would do as well, with the steps that rules ask for \(EPOCH_AHEAD\)\. It costs 1 d/,
    );
    expect(remedy).toContain(`Or with the steps: \`modosu restore plan db01 --scenario server --recovery-point ${second}\``);
  });

  it('counts the data that follows and the changes that are lost with it', async () => {
    const dataSets = [dataManifest(server, 9).dataSet];
    const estate = {
      ...ESTATE,
      servers: ESTATE.servers.map((one) => (one.name === 'db01' ? { ...one, dataSets } : one)),
      relations: [RELATION, BACK],
    };
    await catalog.applyEstate('setup', estateSchema.parse(estate), RESOLVED);
    await catalog.recordDataRecoveryPoint(dataManifest(server, 9));
    const opened = {
      actor: 'alice',
      idempotencyKey: null,
      requestDigest: 'c',
      serverId: server.id,
      ticket: null,
      author: null,
      externalId: null,
      applyAgain: null,
    };
    const { change } = await catalog.openChange({ ...opened, title: 'service pack 2' });
    await catalog.completeChange({ actor: 'alice', id: change.id });
    const held = await catalog.changesAt(server.id, null);
    await image(1, { position: 30, epoch: 1 }, { version: 5, changes: { contained: [], partly: [], more: 0 } });
    await image(2, { position: 1, epoch: 1 }, { version: 5, changes: held });
    const { message } = find(await plan(), 'COMPATIBLE_POINT');
    expect(message).toContain(`except the data of "${dataSets[0]?.name}", which follows it. Lost with it: the configuration change "service pack 2".`);
    expect(find(await plan({ noData: true }), 'COMPATIBLE_POINT')).toMatchObject({
      message: expect.not.stringContaining('which follows it') as string,
      remedy: expect.stringContaining(' --no-data`') as string,
    });
  });

  it('says where none is better, and what stands against every one', async () => {
    await images(1, 2);
    const body = await plan();
    expect(said(body)).toEqual(['block PEER_AHEAD', 'warn NO_COMPATIBLE_POINT']);
    expect(find(body, 'NO_COMPATIBLE_POINT').message).toBe(
      'None of the 2 usable recovery points of "db01" is one that its peers would accept: PEER_AHEAD stands against every one.',
    );
  });

  it('takes what is not known whatever is restored for what it is', async () => {
    await declare(RELATION);
    await declare(RELATION, { name: 'other', type: 'member-of', server: 'db01', peers: [{ server: 'web01' }] });
    await images(1, 2, 3);
    const body = await plan();
    expect(said(body)).toEqual(['ok RELATION_AGREES', 'unknown RELATION_NOT_JUDGED', 'warn NO_COMPATIBLE_POINT']);
    expect(find(body, 'NO_COMPATIBLE_POINT').message).toContain('RELATION_NOT_JUDGED stands against every one');
  });

  it('looks only at those that are usable and not younger than the incident', async () => {
    const [first, second, third] = await images(3, 4, 5);
    await image(6, { position: 1, epoch: 1 });
    await catalog.markRecoveryPoint(third ?? '', 'damaged', 'bit flip');
    expect(find(await plan(), 'COMPATIBLE_POINT').remedy).toContain(`--recovery-point ${second}`);
    const incidentAt = '2026-01-03T12:00:00.000Z';
    const newest = [...manifests.keys()].at(-1) ?? '';
    expect(find(await plan({ recoveryPointId: newest, incidentAt }), 'COMPATIBLE_POINT').remedy).toContain(
      `--recovery-point ${first} --incident-at ${incidentAt}`,
    );
  });

  describe('made with the newest that they accept', () => {
    it('restores that one, and says which were passed over and what that costs', async () => {
      const [, , third] = await images(1, 2, 3);
      await image(4, { position: 5, epoch: 1 });
      const body = await plan({ findCompatible: true });
      expect(body.recoveryPoint).toMatchObject({ id: third, generation: 3 });
      expect(said(body)).toEqual(['ok RELATION_AGREES', 'ok COMPATIBLE_POINT']);
      expect(find(body, 'COMPATIBLE_POINT')).toMatchObject({
        message: expect.stringMatching(/^Generation 3 .* was chosen: .* It costs 1 d beside generation 4/) as string,
        evidence: [expect.stringContaining('costs 86400 s') as string, 'generation 4, 2026-01-04T00:00:00.000Z: PEER_AHEAD'],
      });
    });

    it('is content with steps where nothing else is accepted; the plan has them', async () => {
      await images(1, 2, 3);
      const body = await plan({ findCompatible: true }, { position: 15, epoch: 2 });
      expect(body.recoveryPoint.generation).toBe(3);
      expect(said(body)).toEqual(['step EPOCH_AHEAD', 'ok COMPATIBLE_POINT']);
      expect(body.relationSteps).toMatchObject([{ code: 'EPOCH_AHEAD', peer: 'web01' }]);
    });

    it('is the newest of a server that no relation judges', async () => {
      await declare();
      await images(1, 2);
      const body = await plan({ findCompatible: true });
      expect(body.recoveryPoint.generation).toBe(2);
      expect(said(body)).toEqual(['ok COMPATIBLE_POINT']);
    });

    it('is of before the incident', async () => {
      await images(3, 4, 5);
      expect((await plan({ findCompatible: true, incidentAt: '2026-01-04T12:00:00.000Z' })).recoveryPoint.generation).toBe(4);
      expect(await codeOf(plan({ findCompatible: true, incidentAt: '2026-01-04T12:00:00.000Z' }, { position: 45, epoch: 1 }))).toBe(
        'NO_COMPATIBLE_RECOVERY_POINT',
      );
    });

    it('is not made where there is none: said with what stands in the way, and what to do', async () => {
      await images(1, 2);
      const error = await refusal(plan({ findCompatible: true }));
      expect(error).toMatchObject({ code: 'NO_COMPATIBLE_RECOVERY_POINT', retry: 'never' });
      expect(error.message).toContain('PEER_AHEAD stands against every one. Of generation 2, the newest: PEER_AHEAD: web01 has seen more.');
      expect(error.hint).toBe('Rebuild web01. `modosu restore plan db01 --scenario server` plans with the newest, and says what stands against it.');
    });

    it('rests on what was read for this plan: what was read for another one counts for nothing', async () => {
      await images(1, 2, 3);
      await peerSays({ position: 15, epoch: 1 }, 'plan_other');
      expect(await codeOf(judgements.choosePlanSource({ planId: PLAN, serverId: server.id, recoveryPointId: null, findCompatible: true }))).toBe(
        'NO_COMPATIBLE_RECOVERY_POINT',
      );
    });
  });

  describe('with a backup set', () => {
    /** Both servers of the group, with one point in time. */
    const takeSet = async (
      generation: number,
      leftOut: readonly string[] = [],
      {
        own = { position: 1, epoch: 1 },
        peer = own,
      }: { readonly own?: Readonly<Record<string, number>>; readonly peer?: Readonly<Record<string, number>> } = {},
    ): Promise<string> => {
      const request = {
        actor: 'alice',
        idempotencyKey: null,
        requestDigest: String(generation),
        group: 'shop',
        reason: 'nightly',
        allowCrashConsistent: false,
      };
      const { backupSetId } = await catalog.acceptBackupSet(request);
      for (const { runId, serverName } of (await catalog.getSet(backupSetId)).members) {
        await catalog.startRun(runId);
        if (leftOut.includes(serverName)) {
          await catalog.finishRun(runId, { state: 'failed', error: { code: 'INTERNAL', message: 'x', hint: 'y' } });
          continue;
        }
        const { recoveryPointId } = (await catalog.getDispatchable(runId)).input as BackupImageInput;
        const of = await catalog.getServer(serverName);
        const markers = serverName === 'db01' ? [sideOf('server', own), sideOf('peer', peer)] : undefined;
        const manifest = manifestOf(of, generation, { runId, recoveryPointId, version: 3, setId: backupSetId, markers });
        manifests.set(recoveryPointId, manifest);
        await catalog.recordRecoveryPoint(manifest, 'main');
        await catalog.finishRun(runId, { state: 'succeeded', error: null, recoveryPointId });
      }
      return backupSetId;
    };
    const peerImageOf = async (backupSetId: string): Promise<string> => {
      const { members } = await catalog.getSet(backupSetId);
      return members.find(({ serverName }) => serverName === 'web01')?.recoveryPointId ?? '';
    };

    it('of the server and all that it replicates with, it names the newest that is complete and whole', async () => {
      const older = await takeSet(1);
      const newer = await takeSet(2);
      await takeSet(3, ['web01']);
      const { remedy, evidence } = find(await plan(), 'NO_COMPATIBLE_POINT');
      expect(remedy).toMatch(new RegExp(`^Restore "db01", "web01" together: .* backup set ${newer} of 2026-01-02`));
      expect(evidence).toContain(`backup set ${newer}, 2026-01-02T00:00:00.000Z: db01, web01`);
      await catalog.markRecoveryPoint(await peerImageOf(newer), 'damaged', 'bit flip');
      expect(find(await plan(), 'NO_COMPATIBLE_POINT').remedy).toContain(older);
      expect((await refusal(plan({ findCompatible: true }))).hint).toContain(older);
    });

    it('it is the newest between whose images every rule holds, with what it costs of each', async () => {
      const older = await takeSet(1);
      const newer = await takeSet(2, [], { peer: { position: 2, epoch: 1 } });
      const { remedy, evidence } = find(await plan(), 'NO_COMPATIBLE_POINT');
      expect(remedy).toMatch(
        new RegExp(
          `The images of backup set ${older} of 2026-01-01.* every rule holds between them; that nothing went from one to the other before they were frozen is not proven\\. ` +
            'It costs 1 d beside generation 2: what was written to the disks after 2026-01-01T00:00:00.000Z is not in it\\. "web01" goes back as well, to 2026-01-01T00:00:00.000Z',
        ),
      );
      expect(evidence).toContain(`backup set ${older}, 2026-01-01T00:00:00.000Z: db01, web01`);
      expect(evidence).toContainEqual(expect.stringMatching(/^together, db01: recovery point rp_\S+, 2026-01-01T00:00:00\.000Z: costs 86400 s$/));
      expect(evidence).toContainEqual(expect.stringMatching(new RegExp(`^together: Backup set ${newer} \\(2026-01-02.*PEER_AHEAD`)));
      expect((await refusal(plan({ findCompatible: true }))).hint).toContain(older);
    });

    it('it is one that asks for steps, and it says which', async () => {
      const set = await takeSet(1, [], { peer: { position: 1, epoch: 2 } });
      expect(find(await plan(), 'NO_COMPATIBLE_POINT').remedy).toMatch(
        new RegExp(
          `${set} .* every rule holds between them, with the steps that rules ask for \\(EPOCH_AHEAD\\); .* It costs nothing of "db01" beside generation 1`,
        ),
      );
    });

    it('it is none where no set agrees: the plan says which were looked at, and why they do not', async () => {
      const set = await takeSet(1, [], { peer: { position: 2, epoch: 1 } });
      const { remedy, evidence } = find(await plan(), 'NO_COMPATIBLE_POINT');
      expect(remedy).not.toContain('plan-set');
      expect(evidence).toContainEqual(expect.stringMatching(new RegExp(`^together: Backup set ${set} .*PEER_AHEAD`)));
      expect((await refusal(plan({ findCompatible: true }))).hint).not.toContain('plan-set');
    });

    it('it does not settle what no profile judges, and what peers say that are no part of it', async () => {
      const set = await takeSet(1);
      await declare(RELATION, BACK, { name: 'member', type: 'member-of', server: 'db01', peers: [{ server: 'web01' }] });
      const { remedy } = find(await plan(), 'NO_COMPATIBLE_POINT');
      expect(remedy).toContain(set);
      expect(remedy).toContain('It does not settle RELATION_NOT_JUDGED: that would still stand against it.');
      const servers = [...ESTATE.servers, { name: 'app01', hypervisor: 'hv1', repository: 'main' }];
      const resolved = [...RESOLVED, { name: 'app01', uuid: '33333333-3333-4333-8333-333333333333', domainName: 'app01' }];
      const groups = [{ name: 'shop', servers: ['db01', 'web01'] }];
      const watched = { ...RELATION, name: 'watched', type: 'member-of', peers: [{ server: 'app01' }] };
      await catalog.applyEstate('setup', estateSchema.parse({ ...ESTATE, servers, groups, relations: [RELATION, BACK, watched] }), resolved, { prune: true });
      expect(find(await plan(), 'NO_COMPATIBLE_POINT').remedy).toContain(
        'It does not settle MARKER_NOT_CAPTURED, PEER_UNKNOWN: that would still stand against it.',
      );
    });

    it('it is an alternative to a better choice, and none where the incident is older', async () => {
      await image(1, { position: 30, epoch: 1 });
      const set = await takeSet(2);
      expect(find(await plan(), 'COMPATIBLE_POINT').remedy).toContain(
        `Or restore "db01", "web01" together: \`modosu restore plan-set db01 web01\`. The images of backup set ${set} `,
      );
      const incidentAt = '2026-01-01T12:00:00.000Z';
      const [, planned] = [...manifests.keys()];
      expect(find(await plan({ recoveryPointId: planned, incidentAt }), 'COMPATIBLE_POINT').remedy).not.toContain(set);
    });

    it('it is none where no copies of its state are held elsewhere, or the peer is out of service', async () => {
      const set = await takeSet(1);
      await declare({ ...RELATION, type: 'member-of' }, { ...BACK, type: 'member-of' });
      expect(find(await plan(), 'NO_COMPATIBLE_POINT').remedy).not.toContain(set);
      await declare(RELATION, BACK);
      expect(find(await plan(), 'NO_COMPATIBLE_POINT').remedy).toContain(set);
      const { id: serverId } = await catalog.getServer('web01');
      await catalog.decommissionServer({ actor: 'alice', serverId, confirm: 'web01', reason: 'replaced', keepDays: 90 });
      expect(said(await plan()).filter((one) => one.includes('COMPATIBLE'))).toEqual([]);
    });
  });
});
