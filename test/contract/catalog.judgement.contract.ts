import { estateSchema } from '../../src/contracts/api/estate';
import type { Judgement } from '../../src/contracts/judgement';
import { nightOccasion } from '../../src/contracts/judgement';
import type { Finding } from '../../src/contracts/plan';
import type { SideReadings } from '../../src/contracts/reading';
import type { CatalogUnderTest } from './catalog.contract';
import { actions, ESTATE, manifestOf, refusal, RESOLVED } from './catalog.fixtures';

const HOUR_MS = 3_600_000;
const STANDBY = { name: 'db-standby', type: 'replicates-with', server: 'db01', peers: [{ server: 'web01' }], profile: 'postgresql-replication' };
const BACK = { ...STANDBY, name: 'db-primary', server: 'web01', peers: [{ server: 'db01' }] };
const NO_RULES = { name: 'web-needs-db', type: 'depends-on', server: 'web01', peers: [{ server: 'db01' }] };
const side = (value: string): SideReadings => ({
  relation: 'db-standby',
  peer: 'web01',
  of: 'peer',
  readings: { lsn: { state: 'read', value, raw: value, at: '2026-03-01T00:00:00.000Z' } },
});
const finding = (code: string, severity: Finding['severity']): Finding => ({
  code,
  severity,
  message: `${code}.`,
  remedy: 'Look.',
  evidence: ['16/B374D848'],
  relation: { name: 'db-standby', peer: 'web01', profile: 'postgresql-replication' },
});
const blocked: Judgement = { recoveryPointId: null, worst: 'block', findings: [finding('STANDBY_AHEAD', 'block'), finding('PROFILE_EXPERIMENTAL', 'warn')] };
const fine: Judgement = { recoveryPointId: null, worst: 'ok', findings: [finding('RELATION_AGREES', 'ok')] };

/** Judging newest images before they are needed: who is judged, when, and what is known of it. */
export function judgementContract(subject: () => CatalogUnderTest): void {
  describe('judgements', () => {
    /** db01 with an image of January, and these relations. Its clock: the first of March, 00:00. */
    const given = async (relations: readonly object[] = [STANDBY]) => {
      const { catalog } = subject();
      await catalog.applyEstate('setup', estateSchema.parse({ ...ESTATE, relations }), RESOLVED);
      const [db01, web01] = [await catalog.getServer('db01'), await catalog.getServer('web01')];
      const point = await catalog.recordRecoveryPoint(manifestOf(db01, 1), 'main');
      return { catalog, db01, web01, point };
    };
    const due = async (): Promise<readonly string[]> => (await subject().catalog.dueJudgements(100)).serverIds;
    /** As the workflow does. */
    const judge = async (serverId: string, judgement: Judgement | null): Promise<void> => {
      const { catalog } = subject();
      const { begunAt } = await catalog.dueJudgements(100);
      await catalog.recordJudgements(begunAt, [{ serverId, judgement }]);
    };

    it('are asked for every night, once, of servers in service with an image whose relations say anything of their going back', async () => {
      const { catalog, db01 } = await given([STANDBY, NO_RULES]);
      expect(await due()).toEqual([]);
      expect(await catalog.askForNightly(4)).toBe(1);
      expect(await due()).toEqual([db01.id]);
      expect(await catalog.askForNightly(4)).toBe(1);
      await judge(db01.id, fine);
      expect([await catalog.askForNightly(4), await due()]).toEqual([0, []]);
      subject().advance(4 * HOUR_MS - 1);
      expect(await catalog.askForNightly(4)).toBe(0);
      subject().advance(1);
      expect(await catalog.askForNightly(4)).toBe(1);
      await judge(db01.id, fine);
      // Nothing ran for three days: one judgement makes up for it.
      subject().advance(72 * HOUR_MS);
      expect(await catalog.askForNightly(4)).toBe(1);
      await judge(db01.id, fine);
      expect(await catalog.askForNightly(4)).toBe(0);
      expect((await catalog.listJudgements()).map(({ serverId }) => serverId)).toEqual([db01.id]);
    });

    it.each<[string, object, readonly string[]]>([
      ['has no profile, and both hold copies of each other', { ...STANDBY, profile: undefined }, ['db01', 'web01']],
      ['is declared from one side alone', STANDBY, ['db01', 'web01']],
      ['has no profile, and one is a member with the other', { ...STANDBY, type: 'member-of', profile: undefined }, ['db01', 'web01']],
      ['has a profile, and one needs the other', { ...NO_RULES, profile: 'same-value' }, ['web01']],
      ['has no profile, and one needs the other', NO_RULES, []],
    ])('are of those that a relation says anything of that %s', async (_what, relation, names) => {
      const { catalog, db01, web01 } = await given([relation]);
      await catalog.recordRecoveryPoint(manifestOf(web01, 2), 'main');
      expect(await catalog.askForNightly(4)).toBe(names.length);
      const ids = [db01, web01].flatMap(({ id, name }) => (names.includes(name) ? [id] : []));
      expect((await due()).toSorted()).toEqual(ids.toSorted());
      expect((await catalog.listJudgements()).map(({ serverName }) => serverName)).toEqual(names);
      expect((await catalog.protectionFacts()).judgements.map(({ serverId }) => serverId).toSorted()).toEqual(ids.toSorted());
      for (const { id, name } of [db01, web01]) {
        if (names.includes(name)) continue;
        expect(await refusal(catalog.askForJudgement({ actor: 'alice', serverId: id }))).toMatchObject({ code: 'NOTHING_TO_JUDGE' });
      }
    });

    it('wait for the next night where the first image came after the last one', async () => {
      const { catalog } = subject();
      await catalog.applyEstate('setup', estateSchema.parse({ ...ESTATE, relations: [STANDBY] }), RESOLVED);
      const db01 = await catalog.getServer('db01');
      await catalog.recordRecoveryPoint(manifestOf(db01, 1, { publishedAt: '2026-02-28T12:00:00.000Z' }), 'main');
      expect(await catalog.askForNightly(4)).toBe(0);
      expect(await catalog.listJudgements()).toEqual([{ serverId: db01.id, serverName: 'db01', isAsked: false, judged: null }]);
      subject().advance(4 * HOUR_MS);
      expect(await catalog.askForNightly(4)).toBe(1);
    });

    it('can be had at once, by one server or all; who asks while one is made gets another', async () => {
      const { catalog, db01, web01 } = await given([STANDBY, BACK]);
      await catalog.recordRecoveryPoint(manifestOf(web01, 2), 'main');
      expect(await catalog.askForJudgement({ actor: 'alice', serverId: db01.id })).toEqual([
        { serverId: db01.id, serverName: 'db01', isAsked: true, judged: null },
      ]);
      const { begunAt } = await catalog.dueJudgements(100);
      subject().advance(1000);
      expect((await catalog.askForJudgement({ actor: 'bob', serverId: null })).map(({ serverName }) => serverName)).toEqual(['db01', 'web01']);
      await catalog.recordJudgements(begunAt, [{ serverId: db01.id, judgement: fine }]);
      expect(await due()).toEqual([db01.id, web01.id]);
      expect(await catalog.listJudgements({ serverId: db01.id })).toMatchObject([{ isAsked: true, judged: { worst: 'ok' } }]);
      expect(await catalog.dueJudgements(1)).toMatchObject({ serverIds: [db01.id], areMore: true });
      await judge(db01.id, fine);
      expect(await due()).toEqual([web01.id]);
      expect((await actions(catalog)).filter((action) => action.startsWith('judgement'))).toEqual(['judgement.requested', 'judgement.requested']);
    });

    it('are refused of what nobody could judge', async () => {
      const { catalog, db01, web01 } = await given([STANDBY, BACK]);
      const ask = (serverId: string) => refusal(catalog.askForJudgement({ actor: 'alice', serverId }));
      expect(await ask(web01.id)).toMatchObject({ code: 'NO_RECOVERY_POINT' });
      expect(await ask('srv_00000000000000000000000000')).toMatchObject({ code: 'SERVER_NOT_FOUND' });
      expect(await refusal(catalog.listJudgements({ serverId: 'srv_00000000000000000000000000' }))).toMatchObject({ code: 'SERVER_NOT_FOUND' });
      await catalog.decommissionServer({ actor: 'alice', serverId: db01.id, confirm: 'db01', reason: 'gone', keepDays: 30 });
      expect(await ask(db01.id)).toMatchObject({ code: 'SERVER_DECOMMISSIONED' });
      expect([await catalog.askForNightly(4), await catalog.listJudgements(), (await catalog.protectionFacts()).judgements]).toEqual([0, [], []]);
    });

    it('rest on the newest usable image, what was captured with it, and what was read for the night', async () => {
      const { catalog, db01, web01, point } = await given();
      const captured = [side('0/1')];
      const newer = await catalog.recordRecoveryPoint(manifestOf(db01, 2, { markers: captured }), 'main');
      await catalog.recordReadings(nightOccasion(db01.id), [side('0/2')]);
      await catalog.recordReadings('plan_1', [side('0/3')]);
      expect(await catalog.storedStates([db01.id, web01.id])).toEqual([
        { serverId: db01.id, recoveryPointId: newer.id, pointInTime: newer.pointInTime, captured, present: [side('0/2')] },
      ]);
      await catalog.markRecoveryPoint(newer.id, 'damaged', 'bits');
      expect(await catalog.storedStates([db01.id])).toMatchObject([{ recoveryPointId: point.id, captured: [], present: [side('0/2')] }]);
      expect(await catalog.storedStates([])).toEqual([]);
    });

    it('are kept with their findings; since when it is so stays from night to night, until the verdict changes', async () => {
      const { catalog, db01, point } = await given();
      const [start, day] = [Date.UTC(2026, 2, 1), 24 * HOUR_MS];
      const at = (days: number): string => new Date(start + days * day).toISOString();
      const verdicts = [fine, blocked, blocked, fine];
      const seen: unknown[] = [];
      for (const verdict of verdicts) {
        await catalog.askForJudgement({ actor: 'alice', serverId: db01.id });
        await judge(db01.id, { ...verdict, recoveryPointId: point.id });
        const [known] = await catalog.listJudgements();
        seen.push([known?.judged?.worst, known?.judged?.judgedAt, known?.judged?.since]);
        if (verdict === blocked) expect(known?.judged).toMatchObject({ recoveryPointId: point.id, findings: blocked.findings });
        subject().advance(day);
      }
      expect(seen).toEqual([
        ['ok', at(0), at(0)],
        ['block', at(1), at(1)],
        ['block', at(2), at(1)],
        ['ok', at(3), at(3)],
      ]);
      // Nothing to judge: what was known stays, and nobody waits any more.
      await catalog.askForJudgement({ actor: 'alice', serverId: db01.id });
      await judge(db01.id, null);
      expect(await catalog.listJudgements()).toMatchObject([{ isAsked: false, judged: { judgedAt: at(3) } }]);
    });

    it('are told with the protection of the estate: what is in the way, without evidence', async () => {
      const { catalog, db01 } = await given();
      const facts = async () => (await catalog.protectionFacts()).judgements;
      expect(await facts()).toEqual([{ serverId: db01.id, askedAt: null, judged: null }]);
      await catalog.askForNightly(4);
      expect(await facts()).toEqual([{ serverId: db01.id, askedAt: '2026-03-01T00:00:00.000Z', judged: null }]);
      await judge(db01.id, blocked);
      const { evidence: _, ...told } = finding('STANDBY_AHEAD', 'block');
      expect(await facts()).toEqual([
        {
          serverId: db01.id,
          askedAt: null,
          judged: { recoveryPointId: null, worst: 'block', judgedAt: '2026-03-01T00:00:00.000Z', since: '2026-03-01T00:00:00.000Z', findings: [told] },
        },
      ]);
    });

    it('hold what a guest has printed, whatever that is', async () => {
      const { catalog, db01 } = await given();
      const hostile = {
        ...finding('PEER_UNKNOWN', 'unknown'),
        message: `\u0000\ud800${'x'.repeat(100_000)}`,
        evidence: Array.from({ length: 500 }, () => 'y\u0000'),
      };
      await judge(db01.id, { recoveryPointId: null, worst: 'unknown', findings: [hostile, ...Array.from({ length: 300 }, () => finding('STEP', 'step'))] });
      const [known] = await catalog.listJudgements();
      expect(known?.judged?.findings).toHaveLength(301);
      expect(known?.judged?.findings[0]?.message).toMatch(/^\ufffdx+… \(cut\)$/);
      expect(known?.judged?.findings[0]?.evidence).toHaveLength(40);
    });
  });
}
