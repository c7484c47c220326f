import { shippedProfile } from '../support/judged-profile';
import { JudgedRelation, type Side } from '../support/judged-relation';
import { eventually } from '../support/processes';
import { openZoneLab, type LabZoneServer, type ZoneLab } from '../support/zone-lab';
import { RAISE_SERIAL, REFRESH_ZONE, SHOW_SERIAL, ZONE, type ZoneState } from '../support/zone-server';

jest.setTimeout(300_000);

const THEN = { serial: 2026031001, note: 'as the image has it' };
const LATER = { serial: 2026031004, note: 'changed after the image' };
/** Seconds since 1970, and before today's. */
const AT_NOON = { serial: 1_773_144_000, note: 'at noon' };
const AT_ONE = { serial: AT_NOON.serial + 3600, note: 'at one' };
const BEFORE_THE_WRAP = { serial: 2 ** 32 - 6, note: 'before the wrap' };
const BEHIND_THE_WRAP = { serial: 3, note: 'behind the wrap' };

/**
 * Two real name servers, Knot, as a primary and its secondary. Either is taken back in time with its whole disk, and nothing but the profile's own probes is asked of what
 * the two have.
 */
describe('the profile dns-zone', () => {
  let lab: ZoneLab;
  const side = (name: string, of: () => LabZoneServer, hasAgent = false): Side => ({
    name,
    target: () => ({ agent: hasAgent ? of().agent() : null, address: of().address, facts: {}, now: () => new Date() }),
  });
  /** Without a program of it nobody can ask in the guest. */
  const relation = (more: Readonly<Record<string, string>> = {}): JudgedRelation => {
    const [primary, secondary] = [side('ns1', () => lab.primary, 'show-serial' in more), side('ns2', () => lab.secondary)];
    return new JudgedRelation(shippedProfile('dns-zone'), primary, secondary, { zone: ZONE, primary: 'ns1', port: String(lab.port), ...more });
  };
  /** The same relation for the day on which the secondary goes back. */
  const ofSecondary = (more: Readonly<Record<string, string>> = {}): JudgedRelation => {
    const [secondary, primary] = [side('ns2', () => lab.secondary), side('ns1', () => lab.primary)];
    return new JudgedRelation(shippedProfile('dns-zone'), secondary, primary, { zone: ZONE, primary: 'ns1', port: String(lab.port), ...more });
  };
  /** As the secondary does now and then. Its own words. */
  const ask = (): Promise<string> => lab.secondary.zone.refresh();

  beforeAll(async () => {
    lab = await openZoneLab('zone', THEN);
  });
  afterAll(() => lab?.close());

  /** The first of the two steps in which a serial becomes a lower one (RFC 1912, section 3.1). */
  async function goHalfRound(): Promise<void> {
    const serial = ((await lab.primary.zone.served()).serial + 2 ** 31 - 1) % 2 ** 32;
    await lab.primary.zone.publish({ serial, note: 'half of the way' });
    await ask();
  }

  /** An image of the primary with one state of the zone, and another one since then, which both have. */
  async function changedSince(judged: JudgedRelation, then: ZoneState, since: ZoneState): Promise<void> {
    await lab.primary.zone.publish(then);
    await ask();
    expect(await lab.secondary.zone.served()).toEqual(then);
    await judged.capture();
    await lab.keepDisk();
    await lab.primary.zone.publish(since);
    await ask();
    expect(await lab.secondary.zone.served()).toEqual(since);
  }

  async function expectThatTheyAgree(judged: JudgedRelation, state: ZoneState): Promise<void> {
    expect((await judged.judge('live')).verdicts).toEqual(['ok RELATION_AGREES']);
    for (const { zone } of [lab.primary, lab.secondary]) expect(await zone.served()).toEqual(state);
    expect(await lab.secondary.zone.contents()).toBe(await lab.primary.zone.contents());
  }

  it('knows that the secondary will not follow a primary that goes back in time, sees that it does not, and that it does with the serial raised', async () => {
    const judged = relation();
    await changedSince(judged, THEN, LATER);
    const plan = await judged.judge('plan');
    expect(plan.verdicts).toEqual(['step SECONDARY_AHEAD']);
    expect(plan.steps).toMatchObject([{ on: 'server', when: 'quarantine', argv: null, title: expect.stringContaining(`than ${LATER.serial} and`) }]);

    await lab.goBack();
    // What happens without the step: changes that are made from now on do not arrive, and each of the two answers as it likes.
    const lost = { serial: THEN.serial + 1, note: 'nobody gets it' };
    await lab.primary.zone.publish(lost);
    expect(await ask()).toMatch(new RegExp(`remote serial ${lost.serial}, remote is outdated$`, 'm'));
    expect(await lab.primary.zone.served()).toEqual(lost);
    expect(await lab.secondary.zone.served()).toEqual(LATER);
    expect((await judged.judge('live')).verdicts).toEqual(['block SECONDARY_STILL_AHEAD']);

    const raised = { serial: LATER.serial + 1, note: 'made anew after the restore' };
    await lab.primary.zone.publish(raised);
    expect((await judged.judge('live')).verdicts).toEqual(['warn SECONDARY_BEHIND']);
    expect(await ask()).toContain(`serial ${LATER.serial} -> ${raised.serial}`);
    await expectThatTheyAgree(judged, raised);
  });

  it('has nothing against going back to what the secondary still has', async () => {
    const judged = relation();
    await judged.capture();
    await lab.keepDisk();
    expect((await judged.judge('plan')).verdicts).toEqual(['ok RELATION_AGREES']);
    await lab.goBack();
    await ask();
    await expectThatTheyAgree(judged, await lab.secondary.zone.served());
  });

  it('has the serial raised by a program, where one is named, and has another one show before go-live that it was', async () => {
    const judged = relation({ 'raise-serial': RAISE_SERIAL, 'show-serial': SHOW_SERIAL });
    await goHalfRound();
    await changedSince(judged, AT_NOON, AT_ONE);
    const { verdicts, steps } = await judged.judge('plan');
    expect(verdicts).toEqual(['step SECONDARY_AHEAD_FOR_PROGRAM']);
    await lab.goBack();
    const [step] = steps;
    expect(step).toMatchObject({ on: 'server', when: 'quarantine', argv: [RAISE_SERIAL, ZONE] });
    if (step?.argv == null) throw new Error('the step has no program');
    expect((await relation().judge('quarantine')).verdicts).toEqual(['ok RELATION_AGREES']);
    const { verdicts: refused, findings } = await judged.judge('quarantine');
    expect(refused).toEqual(['block SERIAL_NOT_RAISED']);
    expect(findings[0]?.message).toContain(`with serial ${AT_ONE.serial}, and "ns1" would serve ${AT_NOON.serial},`);
    await lab.primary.zone.publish({ ...AT_NOON, serial: AT_ONE.serial });
    expect((await judged.judge('quarantine')).verdicts).toEqual(['block SERIAL_RAISED_TO_SAME']);
    expect(await lab.primary.agent().exec(step.argv, { timeoutMs: 60_000 })).toMatchObject({ exitCode: 0 });
    expect((await judged.judge('quarantine')).verdicts).toEqual(['ok RELATION_AGREES']);
    expect((await relation({ 'show-serial': '/usr/local/sbin/none' }).judge('quarantine')).verdicts).toEqual([
      'unknown MARKER_NOT_CAPTURED',
      'unknown SERVER_UNKNOWN',
    ]);
    await ask();
    await expectThatTheyAgree(judged, { ...AT_NOON, serial: (await lab.primary.zone.served()).serial });
  });

  it('counts round the end of the serials, as the servers do', async () => {
    const judged = relation();
    await goHalfRound();
    await changedSince(judged, BEFORE_THE_WRAP, BEHIND_THE_WRAP);
    expect((await judged.judge('plan')).verdicts).toEqual(['step SECONDARY_AHEAD']);
    await lab.goBack();
    expect(await ask()).toMatch(/remote serial 4294967290, remote is outdated$/m);
    expect(await lab.secondary.zone.served()).toEqual(BEHIND_THE_WRAP);
    expect((await judged.judge('live')).verdicts).toEqual(['block SECONDARY_STILL_AHEAD']);
    const raised = { serial: BEHIND_THE_WRAP.serial + 1, note: 'made anew behind the wrap' };
    await lab.primary.zone.publish(raised);
    await ask();
    await expectThatTheyAgree(judged, raised);
  });

  it('lets the secondary go back, and does not call it well before it has what its primary has', async () => {
    const judged = ofSecondary({ 'refresh-zone': REFRESH_ZONE });
    await judged.capture();
    await lab.keepDisk('secondary');
    const then = await lab.secondary.zone.served();
    const since = { serial: then.serial + 1, note: 'changed after the image of the secondary' };
    await lab.primary.zone.publish(since);
    await ask();
    expect(await lab.secondary.zone.served()).toEqual(since);
    expect((await ofSecondary().judge('plan')).verdicts).toEqual(['unknown MARKER_NOT_CAPTURED']);
    expect((await judged.judge('plan')).verdicts).toEqual(['warn RESTORED_SECONDARY_LACKS_CHANGES']);

    // Kept from its primary, as in quarantine, it asks in vain when it starts, and not again before the time that the zone says.
    await lab.lose('primary');
    await lab.goBack('secondary');
    expect(await lab.secondary.zone.reachesPrimary()).toBe(false);
    expect(await lab.secondary.zone.served()).toEqual(then);
    expect((await judged.judge('live')).verdicts).toEqual(['unknown PEER_UNKNOWN']);
    await lab.comeBack('primary');
    expect(await lab.primary.zone.served()).toEqual(since);
    expect(await lab.secondary.zone.served()).toEqual(then);
    expect((await ofSecondary().judge('live')).verdicts).toEqual(['step RESTORED_SECONDARY_TO_ASK', 'block RESTORED_SECONDARY_BEHIND']);
    const { verdicts, steps } = await judged.judge('live');
    expect(verdicts).toEqual(['step RESTORED_SECONDARY_TO_REFRESH', 'block RESTORED_SECONDARY_BEHIND']);
    const [step] = steps;
    if (step?.argv == null) throw new Error('the step has no program');
    expect(step).toMatchObject({ on: 'server', when: 'live', argv: [REFRESH_ZONE, ZONE] });
    expect(await lab.secondary.agent().exec(step.argv, { timeoutMs: 60_000 })).toMatchObject({ exitCode: 0 });
    await expectThatTheyAgree(judged, since);
  });

  it('knows that the secondary goes back to more than its primary has by now, sees that it takes nothing, and that it does without its copy', async () => {
    const judged = ofSecondary();
    const { serial } = await lab.primary.zone.served();
    await lab.keepDisk();
    await lab.primary.zone.publish({ serial: serial + 2, note: 'what the primary will have lost' });
    await ask();
    await judged.capture();
    await lab.keepDisk('secondary');
    await lab.goBack();
    const { verdicts, steps } = await judged.judge('plan');
    expect(verdicts).toEqual(['step RESTORED_SECONDARY_AHEAD']);
    expect(steps).toMatchObject([{ on: 'server', when: 'live', argv: null, title: expect.stringContaining('drop its copy') as string }]);

    await lab.goBack('secondary');
    const changed = { serial: serial + 1, note: 'changed on the primary since' };
    await lab.primary.zone.publish(changed);
    expect(await ask()).toMatch(/remote is outdated$/m);
    expect((await judged.judge('live')).verdicts).toEqual(['block RESTORED_SECONDARY_STILL_AHEAD']);
    await lab.secondary.zone.retransfer();
    await expectThatTheyAgree(judged, changed);
  });

  it('does not take a secondary for well that has given the zone up, or is not there', async () => {
    const judged = relation();
    await judged.capture();
    const { serial } = await lab.primary.zone.served();
    await lab.primary.zone.publish({ serial: serial + 1, note: 'of a primary that is broken for too long', expireSeconds: 5 });
    await ask();
    await lab.lose('primary');
    const isGivenUp = (): Promise<boolean> =>
      lab.secondary.zone.served().then(
        () => false,
        () => true,
      );
    await eventually('the secondary gives the zone up', isGivenUp, 60_000);
    const expired = await judged.judge('plan');
    expect(expired.verdicts).toEqual(['unknown PEER_UNKNOWN']);
    expect(expired.findings[0]?.message).toContain('answers with SERVFAIL');

    await lab.lose('secondary');
    const plan = await judged.judge('plan');
    expect(plan.verdicts).toEqual(['unknown PEER_UNKNOWN']);
    expect(plan.findings[0]?.message).toContain('PEER_UNREACHABLE');
    expect(plan.steps).toEqual([]);
    expect((await judged.judge('live')).verdicts).toEqual(['unknown PEER_UNKNOWN', 'unknown SERVER_UNKNOWN']);
  });
});
