import type { Finding } from '../../contracts/plan';
import {
  chosenPoint,
  compatiblePoint,
  noCompatiblePoint,
  noCompatibleRecoveryPoint,
  planCommand,
  type CostOfChoice,
  type PricedPoint,
  type SearchedIn,
  type SharedSet,
} from './compatible-words';
import type { CompatibleSearch, TriedPoint } from './find-compatible';

const NOW = new Date('2026-01-20T00:00:00Z');

const finding = (code: string, severity: Finding['severity'] = 'block'): Finding => ({
  code,
  severity,
  message: `${code} is so.`,
  remedy: 'Rebuild it.',
  evidence: [],
});

const tried = (generation: number, verdict: TriedPoint['verdict'], ...codes: readonly string[]): TriedPoint => ({
  point: { id: `rp_${generation}`, generation, pointInTime: new Date(Date.UTC(2026, 0, generation)).toISOString(), setId: null },
  verdict,
  because: codes.map((code) => finding(code, verdict === 'steps' ? 'step' : 'block')),
});

const priced = (of: TriedPoint, cost: Partial<CostOfChoice> = {}): PricedPoint => ({
  tried: of,
  cost: { seconds: 0, dataSets: [], changes: [], ...cost },
  command: `modosu restore plan db01 --scenario server --recovery-point ${of.point.id}`,
});

const searchOf = (...all: readonly TriedPoint[]): CompatibleSearch => ({
  tried: all,
  found: all.find(({ verdict }) => verdict === 'free') ?? null,
  newerWithSteps: null,
});

const OF: SearchedIn = { serverName: 'db01', incidentAt: null, hasMore: false, sets: null };
const SET: SharedSet = {
  id: 'set_1',
  members: [
    { server: 'db01', recoveryPointId: 'rp_3', pointInTime: '2026-01-03T00:00:00.000Z' },
    { server: 'db02', recoveryPointId: 'rp_b', pointInTime: '2026-01-03T00:00:01.000Z' },
  ],
  basis: 'readings',
  steps: [],
  unjudged: [],
  against: [],
  cost: { seconds: 6 * 86_400, dataSets: [], changes: [] },
  leftOut: [],
};
const withSet = (changes: Partial<SharedSet> = {}, passedOver: readonly string[] = []): SearchedIn => ({
  ...OF,
  sets: { set: { ...SET, ...changes }, passedOver },
});
const TOGETHER =
  'estore "db01", "db02" together: `modosu restore plan-set db01 db02`. ' +
  'The images of backup set set_1 of 2026-01-03T00:00:00.000Z belong together (`modosu backup-set show set_1`), and every rule holds between them. ' +
  'It costs 6 d beside generation 9: what was written to the disks after 2026-01-03T00:00:00.000Z is not in it. ' +
  '"db02" goes back as well, to 2026-01-03T00:00:01.000Z (16 d 23 h ago).';

const AHEAD: Finding = { code: 'STANDBY_AHEAD', severity: 'block', message: 'x', evidence: [] };
const [refused, steps, free] = [tried(9, 'refused', 'STANDBY_AHEAD'), tried(7, 'steps', 'SERIAL_AHEAD'), tried(5, 'free')];

describe('what a plan says of a better choice', () => {
  it('is which one, how old it is, what it costs, what each other one was refused for, and the command', () => {
    const choice = { search: searchOf(refused, steps, free), compared: refused.point, now: NOW };
    const found = priced(free, { seconds: 4 * 86_400, dataSets: ['shop'], changes: ['service pack 2'] });
    const said = compatiblePoint({ ...choice, found, newer: priced(steps, { seconds: 2 * 86_400 }) }, withSet({}, ['Backup set set_2: STANDBY_AHEAD: x']), [
      AHEAD,
    ]);
    expect(said).toEqual({
      code: 'COMPATIBLE_POINT',
      severity: 'warn',
      message:
        'There is a better choice: generation 5 of 2026-01-05T00:00:00.000Z (15 d ago), the newest of 3 looked at that its peers would accept. ' +
        'It costs 4 d beside generation 9: what was written to the disks after 2026-01-05T00:00:00.000Z is not in it, except the data of "shop", which follows it. ' +
        'Lost with it: the configuration change "service pack 2". ' +
        'Generation 7 of 2026-01-07T00:00:00.000Z (13 d ago) would do as well, with the steps that rules ask for (SERIAL_AHEAD). ' +
        'It costs 2 d beside generation 9: what was written to the disks after 2026-01-07T00:00:00.000Z is not in it.',
      remedy:
        'Plan with it: `modosu restore plan db01 --scenario server --recovery-point rp_5`. Or with the steps: `modosu restore plan db01 --scenario server --recovery-point rp_7`. ' +
        `Or r${TOGETHER}`,
      evidence: [
        'recovery point rp_5, generation 5, 2026-01-05T00:00:00.000Z: costs 345600 s',
        'recovery point rp_7, generation 7, 2026-01-07T00:00:00.000Z: costs 172800 s',
        'generation 9, 2026-01-09T00:00:00.000Z: STANDBY_AHEAD',
        'generation 7, 2026-01-07T00:00:00.000Z: steps for SERIAL_AHEAD',
        'backup set set_1, 2026-01-03T00:00:00.000Z: db01, db02',
        'together, db01: recovery point rp_3, 2026-01-03T00:00:00.000Z: costs 518400 s',
        'together, db02: recovery point rp_b, 2026-01-03T00:00:01.000Z',
        'together: Backup set set_2: STANDBY_AHEAD: x',
      ],
    });
  });

  it('is the set first where a rule asks for a restore of both, and a point of the server alone after it', () => {
    const choice = { search: searchOf(refused, free), found: priced(free, { seconds: 4 * 86_400 }), newer: null, compared: refused.point, now: NOW };
    const said = compatiblePoint(choice, withSet({}), [AHEAD, { ...AHEAD, code: 'CONSUMER_AHEAD', together: true }]);
    expect(said.message).toMatch(
      /^CONSUMER_AHEAD asks for a restore of both, and there are images that agree\. There is a better choice of this server alone, too: generation 5 /,
    );
    const both: readonly Finding[] = [AHEAD, { ...AHEAD, code: 'CONSUMER_AHEAD', together: true }, { ...AHEAD, together: true }];
    expect(compatiblePoint(choice, withSet({}), both).message).toMatch(/^CONSUMER_AHEAD, STANDBY_AHEAD ask for a restore of both, and/);
    expect(said.remedy).toBe(`R${TOGETHER} Or plan with it: \`modosu restore plan db01 --scenario server --recovery-point rp_5\`.`);
  });

  it.each([
    ['there is no such set', null],
    ['no images agree, and why is of no interest', { set: null, passedOver: ['Backup set set_2: STANDBY_AHEAD: x'] }],
  ])('is a point of the server alone where %s, whatever a rule asks for', (_, sets) => {
    const choice = { search: searchOf(refused, free), found: priced(free, { seconds: 4 * 86_400 }), newer: null, compared: refused.point, now: NOW };
    expect(compatiblePoint(choice, { ...OF, sets }, [{ ...AHEAD, together: true }])).toEqual({
      code: 'COMPATIBLE_POINT',
      severity: 'warn',
      message:
        'There is a better choice: generation 5 of 2026-01-05T00:00:00.000Z (15 d ago), the newest of 2 looked at that its peers would accept. ' +
        'It costs 4 d beside generation 9: what was written to the disks after 2026-01-05T00:00:00.000Z is not in it.',
      remedy: 'Plan with it: `modosu restore plan db01 --scenario server --recovery-point rp_5`.',
      evidence: ['recovery point rp_5, generation 5, 2026-01-05T00:00:00.000Z: costs 345600 s', 'generation 9, 2026-01-09T00:00:00.000Z: STANDBY_AHEAD'],
    });
  });

  it('is what it saves where it is newer than the one that a person has named', () => {
    const said = compatiblePoint(
      { search: searchOf(free), found: priced(free, { seconds: -86_400 }), newer: null, compared: tried(4, 'refused', 'TOO_OLD').point, now: NOW },
      OF,
      [],
    );
    expect(said.message).toBe(
      'There is a better choice: generation 5 of 2026-01-05T00:00:00.000Z (15 d ago), that its peers would accept. It loses 1 d less than generation 4.',
    );
    expect(said.evidence).toEqual(['recovery point rp_5, generation 5, 2026-01-05T00:00:00.000Z: loses 86400 s less']);
  });

  it.each([
    ['of the same moment', {}, 'It costs 0 s beside generation 9: what was written to the disks after 2026-01-05T00:00:00.000Z is not in it.'],
    [
      'that several data sets follow',
      { seconds: 60, dataSets: ['shop', 'files'] },
      'It costs 1 min beside generation 9: what was written to the disks after 2026-01-05T00:00:00.000Z is not in it, except the data of "shop", "files", which follow it.',
    ],
    [
      'with which several changes are lost',
      { seconds: 60, changes: ['service pack 2', 'new certificate'] },
      'It costs 1 min beside generation 9: what was written to the disks after 2026-01-05T00:00:00.000Z is not in it. ' +
        'Lost with it: 2 configuration changes, "service pack 2", "new certificate".',
    ],
    [
      'that is newer, of a server that has lost a change by a restore since',
      { seconds: -60, changes: ['service pack 2'] },
      'It loses 1 min less than generation 9. Lost with it: the configuration change "service pack 2".',
    ],
  ])('is what one costs %s', (_, cost, words) => {
    const said = compatiblePoint({ search: searchOf(refused, free), found: priced(free, cost), newer: null, compared: refused.point, now: NOW }, OF, []);
    expect(said.message.split(' would accept. ')[1]).toBe(words);
  });

  it.each([
    [20, []],
    [30, ['and 10 more']],
  ])('lists some of %i that were passed over, and counts the rest', (count, rest) => {
    const many = Array.from({ length: count }, (_, index) => tried(40 - index, 'refused', 'STANDBY_AHEAD'));
    const { evidence } = compatiblePoint({ search: searchOf(...many, free), found: priced(free), newer: null, compared: refused.point, now: NOW }, OF, []);
    const listed = many.slice(0, 20).map(({ point }) => `generation ${point.generation}, ${point.pointInTime}: STANDBY_AHEAD`);
    expect(evidence.slice(1)).toEqual([...listed, ...rest]);
  });

  it('is, of a plan that was made from it, what that costs beside the newest', () => {
    const choice = { search: searchOf(refused, free), newer: null, now: NOW };
    expect(chosenPoint({ ...choice, found: priced(free, { seconds: 4 * 86_400 }), compared: refused.point })).toMatchObject({
      severity: 'ok',
      message: expect.stringMatching(
        /^Generation 5 of .* was chosen: it is the newest that its peers would accept\. It costs 4 d beside generation 9: /,
      ) as string,
    });
    expect(chosenPoint({ ...choice, search: searchOf(free), found: priced(free), compared: free.point })).toEqual({
      code: 'COMPATIBLE_POINT',
      severity: 'ok',
      message: 'Generation 5 of 2026-01-05T00:00:00.000Z (15 d ago) was chosen: it is the newest that its peers would accept.',
      evidence: ['recovery point rp_5, generation 5, 2026-01-05T00:00:00.000Z: costs 0 s'],
    });
  });

  it('is, of such a plan, also the newer one that asks for steps, without a cost where it is the newest', () => {
    const choice = { search: searchOf(steps, free), found: priced(free, { seconds: 2 * 86_400 }), newer: priced(steps), compared: steps.point, now: NOW };
    expect(chosenPoint(choice)).toEqual({
      code: 'COMPATIBLE_POINT',
      severity: 'ok',
      message:
        'Generation 5 of 2026-01-05T00:00:00.000Z (15 d ago) was chosen: it is the newest that its peers would accept. ' +
        'It costs 2 d beside generation 7: what was written to the disks after 2026-01-05T00:00:00.000Z is not in it. ' +
        'Generation 7 of 2026-01-07T00:00:00.000Z (13 d ago) would do as well, with the steps that rules ask for (SERIAL_AHEAD).',
      remedy: 'Who would rather have the steps plans with `modosu restore plan db01 --scenario server --recovery-point rp_7`.',
      evidence: [
        'recovery point rp_5, generation 5, 2026-01-05T00:00:00.000Z: costs 172800 s',
        'recovery point rp_7, generation 7, 2026-01-07T00:00:00.000Z: costs 0 s',
        'generation 7, 2026-01-07T00:00:00.000Z: steps for SERIAL_AHEAD',
      ],
    });
  });
});

describe('what it says where there is none', () => {
  it('is what stands against every one of them', () => {
    const said = noCompatiblePoint(
      searchOf(tried(9, 'refused', 'STANDBY_AHEAD', 'PEER_UNKNOWN'), tried(8, 'refused', 'STANDBY_AHEAD')),
      OF,
      refused.point,
      NOW,
    );
    expect(said).toMatchObject({
      code: 'NO_COMPATIBLE_POINT',
      severity: 'warn',
      message: 'None of the 2 usable recovery points of "db01" is one that its peers would accept: STANDBY_AHEAD stands against every one.',
      remedy: 'Follow the remedy of what stands against this one: no other recovery point avoids it.',
      evidence: ['generation 9, 2026-01-09T00:00:00.000Z: PEER_UNKNOWN, STANDBY_AHEAD', 'generation 8, 2026-01-08T00:00:00.000Z: STANDBY_AHEAD'],
    });
  });

  it('is what stands against one or another, of one alone, of too many, of those before an incident, of none', () => {
    const message = (search: CompatibleSearch, of: Partial<SearchedIn> = {}): string => noCompatiblePoint(search, { ...OF, ...of }, refused.point, NOW).message;
    expect(message(searchOf(tried(9, 'refused', 'B'), tried(8, 'refused', 'A')), { hasMore: true })).toBe(
      'None of the newest 2 usable recovery points of "db01" is one that its peers would accept: each has something against it (A, B).',
    );
    expect(message(searchOf(tried(9, 'refused', 'B', 'A'), tried(8, 'refused', 'A', 'B')))).toBe(
      'None of the 2 usable recovery points of "db01" is one that its peers would accept: A, B stand against every one.',
    );
    expect(message(searchOf(tried(9, 'refused', 'B')), { incidentAt: '2026-01-09T00:00:00.000Z' })).toBe(
      'The only usable recovery point of "db01" from before the incident at 2026-01-09T00:00:00.000Z is none that its peers would accept: B stands against it.',
    );
    expect(message(searchOf())).toBe('There is no usable recovery point of "db01".');
  });

  it('names the backup set first that the server and its peers could be restored from together', () => {
    const { remedy } = noCompatiblePoint(searchOf(refused), withSet(), refused.point, NOW);
    expect(remedy).toMatch(/^Restore "db01", "db02" together: .* backup set set_1 .* Or follow the remedy of what stands against this one/);
    expect(remedy).toBe(`R${TOGETHER} Or follow the remedy of what stands against this one: no other recovery point avoids it.`);
  });

  it('says of that set what it asks for, what is not proven, what it costs and what it does not settle', () => {
    const remedy = (changes: Partial<SharedSet>, of: Partial<SearchedIn> = {}): string =>
      noCompatiblePoint(searchOf(refused), { ...withSet(changes), ...of }, refused.point, NOW).remedy ?? '';
    expect(remedy({ steps: ['SERIAL_AHEAD'], basis: 'freeze' })).toContain(
      'every rule holds between them, with the steps that rules ask for (SERIAL_AHEAD); that nothing went from one to the other before they were frozen is not proven.',
    );
    expect(remedy({ id: null })).toContain(
      'Their newest images that agree are of 2026-01-03T00:00:00.000Z, 2026-01-03T00:00:01.000Z, and every rule holds between them.',
    );
    expect(remedy({}, { incidentAt: '2026-01-04T00:00:00.000Z' })).toContain('`modosu restore plan-set db01 db02 --incident-at 2026-01-04T00:00:00.000Z`');
    expect(remedy({ leftOut: ['shop', 'files'] })).toContain('The data of "shop", "files" do not follow.');
    expect(remedy({ leftOut: ['shop'] })).toContain('The data of "shop" does not follow.');
    expect(remedy({ against: ['PEER_UNKNOWN'] })).toContain('It does not settle PEER_UNKNOWN: that would still stand against it.');
    const [own, ...others] = SET.members;
    expect(remedy({ members: [{ ...own, recoveryPointId: refused.point.id }, ...others] })).toContain(
      'It costs nothing of "db01" beside generation 9, which is of it. "db02" goes back as well',
    );
    expect(remedy({ cost: { seconds: -3600, dataSets: [], changes: [] } })).toContain('It loses 1 h less than generation 9.');
  });

  it.each([
    [['db01-db02'], 'the relation "db01-db02": of it is known only that they were frozen together'],
    [['db01-db02', 'db02-db01'], 'the relations "db01-db02", "db02-db01": of those is known only that they were frozen together'],
  ])('does not say that rules hold where no profile judges %j', (unjudged, which) => {
    const { remedy } = noCompatiblePoint(searchOf(refused), withSet({ basis: 'freeze', unjudged }), refused.point, NOW);
    expect(remedy).not.toContain('every rule holds');
    expect(remedy).toContain(`, and no rule stands against it; no profile judges ${which}; that nothing went from one to the other before`);
  });

  it.each([
    [{ seconds: 0 }, 'costs 0 s'],
    [{ seconds: -3600 }, 'loses 3600 s less'],
  ])('lists what a set costs (%j), and names no backup set where its images are of different moments', (cost, words) => {
    const { evidence } = noCompatiblePoint(searchOf(refused), withSet({ id: null, cost: { ...SET.cost, ...cost } }), refused.point, NOW);
    expect(evidence).toEqual([
      'generation 9, 2026-01-09T00:00:00.000Z: STANDBY_AHEAD',
      `together, db01: recovery point rp_3, 2026-01-03T00:00:00.000Z: ${words}`,
      'together, db02: recovery point rp_b, 2026-01-03T00:00:01.000Z',
    ]);
  });

  it('says why no set is one where there is none', () => {
    const sets = { set: null, passedOver: ['Backup set set_1 (2026-01-03): STANDBY_AHEAD: x'] };
    const { remedy, evidence } = noCompatiblePoint(searchOf(refused), { ...OF, sets }, refused.point, NOW);
    expect(remedy).toMatch(/^Follow the remedy/);
    expect(evidence).toContain('together: Backup set set_1 (2026-01-03): STANDBY_AHEAD: x');
  });

  it('is an error for whoever asked for one, with what stands in the way of the newest and what would make it good', () => {
    const error = noCompatibleRecoveryPoint(searchOf(refused), withSet(), 'modosu restore plan db01 --scenario server', NOW);
    expect(error).toMatchObject({ code: 'NO_COMPATIBLE_RECOVERY_POINT', retry: 'never', context: { findings: ['STANDBY_AHEAD'] } });
    expect(error.message).toMatch(/STANDBY_AHEAD stands against it\. Of generation 9, the newest: STANDBY_AHEAD: STANDBY_AHEAD is so\.$/);
    expect(error.hint).toBe(
      `R${TOGETHER} Rebuild it. ` + '`modosu restore plan db01 --scenario server` plans with the newest, and says what stands against it.',
    );
  });

  it('is an error with all that stands in the way, with each remedy once, and with no set where there is none', () => {
    const { remedy: _, ...unanswered } = finding('PEER_UNKNOWN', 'unknown');
    const newest: TriedPoint = { ...refused, because: [unanswered, finding('STANDBY_AHEAD'), finding('CONSUMER_AHEAD')] };
    const error = noCompatibleRecoveryPoint(searchOf(newest), OF, 'modosu restore plan db01 --scenario server', NOW);
    expect(error.message).toBe(
      'The only usable recovery point of "db01" is none that its peers would accept: CONSUMER_AHEAD, PEER_UNKNOWN, STANDBY_AHEAD stand against it. ' +
        'Of generation 9, the newest: PEER_UNKNOWN: PEER_UNKNOWN is so. STANDBY_AHEAD: STANDBY_AHEAD is so. CONSUMER_AHEAD: CONSUMER_AHEAD is so.',
    );
    expect(error.hint).toBe('Rebuild it. `modosu restore plan db01 --scenario server` plans with the newest, and says what stands against it.');
  });

  it('is another error where there is none of any kind: no command would plan with the newest', () => {
    const error = noCompatibleRecoveryPoint(searchOf(), withSet(), 'modosu restore plan db01 --scenario server', NOW);
    expect(error).toMatchObject({ code: 'NO_RECOVERY_POINT', message: 'There is no usable recovery point of "db01".' });
    expect(error.hint).not.toContain('plans with the newest');
  });

  it('does not advise to take one now where all have to be from before an incident', () => {
    const error = noCompatibleRecoveryPoint(searchOf(), { ...OF, incidentAt: '2026-01-05T00:00:00.000Z' }, 'modosu restore plan db01 --scenario server', NOW);
    expect(error).toMatchObject({ code: 'NO_RECOVERY_POINT', context: { server: 'db01' } });
    expect(error.message).toContain('2026-01-05T00:00:00.000Z');
    expect(error.hint).toBe('Choose one by its id (--recovery-point): `modosu recovery-point list --server db01`.');
  });
});

describe('the command that plans the same with another recovery point', () => {
  it('says all that was asked for', () => {
    const leftOut = { dataSet: 'shop', planned: null, why: 'left-out', newestAt: null, engine: null } as const;
    const asked = {
      serverName: 'db01',
      incidentAt: '2026-03-01T02:10:00.000Z',
      keepDisks: ['vdb'],
      attachOldDisks: ['vdc'],
      data: [leftOut],
      leaveChanges: true,
      leaveCredentials: true,
    };
    expect(planCommand(asked, 'rp_1')).toBe(
      'modosu restore plan db01 --scenario server --recovery-point rp_1 --incident-at 2026-03-01T02:10:00.000Z --keep-disk vdb --attach-old-disk vdc --no-data --leave-changes --leave-credentials',
    );
    expect(planCommand({ serverName: 'db01' }, null)).toBe('modosu restore plan db01 --scenario server');
    // Data that has nothing usable is missing, not left out.
    expect(planCommand({ serverName: 'db01', data: [{ ...leftOut, why: 'none' }] }, null)).toBe('modosu restore plan db01 --scenario server');
  });
});
