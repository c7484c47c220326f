import type { MarkerReadings, RulePhase } from '../../src/contracts/profile';
import { judge, planSteps } from '../../src/domain/consistency/judge';
import { fillIn } from '../../src/probes/fill-in';
import { readMarker } from '../../src/probes/read-markers';
import { createDirectoryLab, DATABASE, SUFFIX, type DirectoryLab, type DirectoryServer } from '../support/directory-lab';
import { shippedProfile } from '../support/judged-profile';
import { eventually } from '../support/processes';
import { inFull } from '../support/thorough';

/** The profile against real OpenLDAP: read by the real probe, judged, and its steps carried out. `one` is the server that goes back in time, as srv01. */

const PROFILE = shippedProfile('ldap-contextcsn');
const NAMES = { one: 'srv01', two: 'srv02' } as const;
const REPLICATES_MS = 20_000;
/** Each one is written to the disk on its own. */
const THOUSANDS_MS = 120_000;

type Name = keyof typeof NAMES;
type Parameters = Readonly<Record<string, string>>;

let lab: DirectoryLab;
let kept: MarkerReadings;
let keptAt: string;

const filled = (given: Parameters): Parameters => {
  const defaults = PROFILE.parameters.flatMap(({ name, default: value }) => (value === null ? [] : [[name, value] as const]));
  return { ...Object.fromEntries(defaults), suffix: SUFFIX, provider: NAMES.one, sid: '001', directory: DATABASE, ...given };
};

/** Which of the two goes back in time. */
interface Restore {
  readonly server: Name;
  readonly peer: Name;
}
const FIRST: Restore = { server: 'one', peer: 'two' };

/** Every marker of the profile, by the names that rules have for it. */
async function read(
  of: 'server' | 'peer',
  at: 'now' | 'recovery-point',
  { parameters, restore }: { readonly parameters: Parameters; readonly restore: Restore },
): Promise<MarkerReadings> {
  const values = { ...parameters, server: NAMES[restore.server], peer: NAMES[restore.peer] };
  const target = { agent: lab[restore[of]].agent, address: null, facts: {}, now: () => new Date() };
  const readings = PROFILE.markers.map(async (spec) => [`${of}.${spec.name}.${at}`, await readMarker(fillIn(spec, values), target)] as const);
  return Object.fromEntries(await Promise.all(readings));
}

async function judged(
  phase: RulePhase,
  given: Parameters = {},
  restore = FIRST,
): Promise<{ readonly verdicts: readonly string[]; readonly steps: readonly string[] }> {
  const asked = { parameters: filled(given), restore };
  // While the server is to be replaced nothing is known of it but what was captured.
  const now = phase === 'plan' ? {} : await read('server', 'now', asked);
  const readings = { ...kept, ...now, ...(await read('peer', 'now', asked)) };
  const names = { server: NAMES[restore.server], peer: NAMES[restore.peer] };
  const context = { phase, parameters: asked.parameters, ...names, pointInTime: keptAt, now: new Date(), readings };
  const findings = judge(PROFILE, context);
  return {
    verdicts: findings.map(({ severity, code }) => `${severity} ${code}`),
    steps: planSteps(PROFILE, context, findings).map(({ on, when, title }) => `${on} ${when}: ${title}`),
  };
}

/** A recovery point: what the markers say, and the database as an image has it. */
async function keep(restore = FIRST): Promise<void> {
  kept = await read('server', 'recovery-point', { parameters: filled({}), restore });
  keptAt = new Date().toISOString();
  await lab[restore.server].keep();
}

const bothHave = (...persons: readonly string[]): Promise<boolean> =>
  eventually(
    `both have ${persons.join(', ')}`,
    async () => (await Promise.all([lab.one.persons(), lab.two.persons()])).every((found) => found.join() === persons.join()),
    REPLICATES_MS,
  );

const agreed = (deadlineMs = REPLICATES_MS): Promise<boolean> =>
  eventually('both have the same contextCSN', async () => !(await judged('live')).verdicts.includes('block NOT_CAUGHT_UP'), deadlineMs);

/** What was done after the recovery point, all of it on the provider and all of it replicated. */
async function goOn(...others: readonly string[]): Promise<void> {
  await lab.one.addPerson('lost');
  await lab.one.describe('changed', 'after');
  await lab.one.remove('removed');
  await bothHave('changed: after', 'lost', ...others);
}

afterEach(() => lab?.destroy());

describe('two OpenLDAP providers of each other', () => {
  const MULTI = { 'multi-provider': 'yes' };

  beforeEach(async () => {
    lab = await createDirectoryLab({ isMultiProvider: true });
    await lab.one.addPerson('changed', 'removed');
    await bothHave('changed', 'removed');
    await lab.two.addPerson('of-two');
    await bothHave('changed', 'of-two', 'removed');
    await keep();
  });

  it('have one value of each in contextCSN; only that of the one that goes back is compared, and only while it is known', async () => {
    const both = /^\d{14}\.\d{6}Z#000000#001#000000,\d{14}\.\d{6}Z#000000#002#000000$/;
    expect(kept['server.context-csn.recovery-point']).toMatchObject({ state: 'read', value: expect.stringMatching(both) });
    await lab.two.addPerson('later-of-two');
    await bothHave('changed', 'later-of-two', 'of-two', 'removed');
    expect(await judged('plan', MULTI)).toEqual({ verdicts: ['ok RELATION_AGREES'], steps: [] });
    expect((await judged('plan', { ...MULTI, sid: '002' })).verdicts).toEqual(['step PROVIDER_TO_EMPTY', 'step PROVIDER_TO_LOAD']);
    expect((await judged('plan', { ...MULTI, sid: '010' })).verdicts).toEqual(['unknown MARKERS_INCOMPARABLE']);
    expect((await judged('plan', { ...MULTI, suffix: 'dc=example,dc=com' })).verdicts).toEqual(['unknown PEER_UNKNOWN']);
    expect((await judged('plan', { ...MULTI, filter: '(objectClass=device)' })).verdicts).toEqual(['unknown PEER_UNKNOWN']);
    // What the other one wrote is taken from there, indeed.
    await lab.one.goBack();
    await lab.one.start();
    await bothHave('changed', 'later-of-two', 'of-two', 'removed');
    await agreed();
    expect((await judged('live', MULTI)).verdicts).toEqual(['ok RELATION_AGREES']);
    expect(await lab.one.contents()).toBe(await lab.two.contents());
    await lab.two.stop();
    expect((await judged('plan', MULTI)).verdicts).toEqual(['unknown PEER_UNKNOWN']);
    await lab.two.start();
  });

  it('say that they agree and differ for ever, when the one that went back writes before it has reached the other', async () => {
    await goOn('of-two');
    await lab.one.goBack();
    await lab.one.cable('down');
    await lab.one.start();
    await lab.one.addPerson('written-alone');
    await lab.one.cable('up');
    await eventually('the other one has it', async () => (await lab.two.persons()).includes('written-alone'), REPLICATES_MS);
    await agreed();
    expect(await lab.one.persons()).toEqual(['changed', 'of-two', 'removed', 'written-alone']);
    // What was added is gone from the one that had it as well; what was changed and removed there stays so.
    expect(await lab.two.persons()).toEqual(['changed: after', 'of-two', 'written-alone']);
    expect((await judged('live', MULTI)).verdicts).toEqual(['block CONTENTS_DIFFER']);
    await lab.one.addPerson('later');
    await lab.two.addPerson('later-of-two');
    const haveLater = async (server: DirectoryServer): Promise<boolean> => (await server.persons()).filter((name) => name.startsWith('later')).length === 2;
    await eventually('both have what is new', async () => (await haveLater(lab.one)) && (await haveLater(lab.two)), REPLICATES_MS);
    await agreed();
    expect((await judged('live', MULTI)).verdicts).toEqual(['block CONTENTS_DIFFER']);
  });

  it('are the same, and nothing is lost, after the steps of the profile', async () => {
    await goOn('of-two');
    const wanted = await lab.two.contents();
    const steps = [
      `server quarantine: On "srv01", stop slapd, remove the files of the database of ${SUFFIX}, and leave slapd stopped.`,
      'server live: Keep clients away from "srv01" and start slapd there. It loads everything from "srv02"; let clients in when the contextCSN of both is the same.',
    ];
    expect(await judged('plan', MULTI)).toEqual({ verdicts: ['step PROVIDER_TO_EMPTY', 'step PROVIDER_TO_LOAD'], steps });
    // Where nobody has declared that both are providers, the changes would be lost: not decided by a line that was left out.
    expect((await judged('plan')).verdicts).toEqual(['block CONSUMER_AHEAD', 'step CONSUMER_TO_RELOAD']);
    expect((await judged('plan', { ...MULTI, provider: 'srv03' })).verdicts).toEqual(['block PROVIDER_OF_ANOTHER_RELATION']);

    await lab.one.goBack();
    await lab.one.cable('down');
    await lab.one.start();
    await lab.one.addPerson('written-in-quarantine');
    await lab.one.emptied();
    expect((await judged('quarantine', MULTI)).verdicts).toEqual(['ok RELATION_AGREES']);
    await lab.one.cable('up');
    await lab.one.start();
    await agreed();
    expect(await judged('live', MULTI)).toEqual({ verdicts: ['ok RELATION_AGREES'], steps: [] });
    expect(await lab.one.contents()).toBe(wanted);
    expect(await lab.two.contents()).toBe(wanted);
    await lab.one.addPerson('new');
    await lab.two.describe('lost', 'found');
    await bothHave('changed: after', 'lost: found', 'new', 'of-two');
  });

  it('do not get the network while the one that went back has its database or runs, whatever was signed off', async () => {
    await goOn('of-two');
    await lab.one.goBack();
    await lab.one.cable('down');
    expect((await judged('quarantine', MULTI)).verdicts).toEqual(['block PROVIDER_NOT_EMPTIED']);
    await lab.one.start();
    expect((await judged('quarantine', MULTI)).verdicts).toEqual(['block PROVIDER_NOT_EMPTIED', 'block PROVIDER_NOT_STOPPED']);
    // It goes on with what it has open, as if nothing had been removed.
    await lab.one.removeFiles();
    expect(await lab.one.persons()).toEqual(['changed', 'of-two', 'removed']);
    expect((await judged('quarantine', MULTI)).verdicts).toEqual(['block PROVIDER_NOT_STOPPED']);
    await lab.one.stop();
    expect((await judged('quarantine', MULTI)).verdicts).toEqual(['ok RELATION_AGREES']);
    // A directory that is not there is none that was emptied.
    expect((await judged('quarantine', { ...MULTI, directory: `${DATABASE}/none` })).verdicts).toEqual(['unknown SERVER_UNKNOWN']);
    // Of one that is not the right one nothing can be seen then: the plan says so.
    const elsewhere = { parameters: filled({ directory: '/var/lib/ldap' }), restore: FIRST };
    const { 'server.has-database.recovery-point': seen } = await read('server', 'recovery-point', elsewhere);
    kept = { ...kept, 'server.has-database.recovery-point': seen };
    expect((await judged('plan', MULTI)).verdicts).toEqual(['step PROVIDER_TO_EMPTY', 'step PROVIDER_TO_LOAD', 'block DATABASE_NOT_SEEN']);
    await lab.one.start();
    expect((await judged('quarantine', MULTI)).verdicts).toEqual(['block DATABASE_NOT_SEEN', 'block PROVIDER_NOT_EMPTIED', 'block PROVIDER_NOT_STOPPED']);
  });

  inFull(
    'lose entries also where they all were, and say that they agree, when somebody writes to the one that is still loading',
    async () => {
      const many = Array.from({ length: 3000 }, (_, n) => `person-${n}`);
      await lab.one.addPerson(...many);
      await eventually('both have them', async () => (await lab.two.persons()).length > many.length, THOUSANDS_MS);
      await lab.one.emptied();
      await lab.one.start();
      await eventually('the first entries are there', () => lab.one.hasBegunToLoad(), THOUSANDS_MS);
      await lab.one.addPerson('too-early');
      await eventually('the other one has it', async () => (await lab.two.persons()).includes('too-early'), THOUSANDS_MS);
      await agreed(THOUSANDS_MS);
      expect((await lab.two.persons()).length).toBeLessThan(many.length);
    },
    4 * THOUSANDS_MS,
  );
});

describe('an OpenLDAP provider and its consumer', () => {
  beforeEach(async () => {
    lab = await createDirectoryLab({ isMultiProvider: false });
    await lab.one.addPerson('changed', 'removed');
    await bothHave('changed', 'removed');
    await keep();
  });

  it('differ for ever when the provider went back, until the consumer is loaded anew', async () => {
    await goOn();
    const steps = [`peer live: On "srv02", stop slapd, remove the files of the database of ${SUFFIX}, and start slapd. It loads everything from "srv01".`];
    expect(await judged('plan')).toEqual({ verdicts: ['block CONSUMER_AHEAD', 'step CONSUMER_TO_RELOAD'], steps });

    await lab.one.goBack();
    expect((await judged('quarantine')).verdicts).toEqual(['block CONSUMER_AHEAD']);
    await lab.one.start();
    // It follows as far as it knows.
    expect((await judged('live')).verdicts).toEqual(['block CONSUMER_STILL_AHEAD', 'block NOT_CAUGHT_UP']);
    await lab.one.addPerson('new');
    await agreed();
    expect(await lab.one.persons()).toEqual(['changed', 'new', 'removed']);
    expect(await lab.two.persons()).toEqual(['changed: after', 'new']);
    expect((await judged('live')).verdicts).toEqual(['block CONTENTS_DIFFER']);

    await lab.two.emptied();
    await lab.two.start();
    await bothHave('changed', 'new', 'removed');
    await agreed();
    expect((await judged('live')).verdicts).toEqual(['ok RELATION_AGREES']);
    expect(await lab.two.contents()).toBe(await lab.one.contents());
    // A filter that finds nothing is no agreement.
    expect((await judged('live', { filter: '(objectClass=device)' })).verdicts).toEqual(['unknown PEER_UNKNOWN', 'unknown SERVER_UNKNOWN']);
  });

  it('have the same again when the consumer went back', async () => {
    const second: Restore = { server: 'two', peer: 'one' };
    await keep(second);
    await goOn();
    expect((await judged('plan', {}, second)).verdicts).toEqual(['ok RELATION_AGREES']);
    await lab.two.goBack();
    await lab.two.cable('down');
    await lab.two.start();
    expect((await judged('live', {}, second)).verdicts).toEqual(['block NOT_CAUGHT_UP']);
    await lab.two.cable('up');
    await bothHave('changed: after', 'lost');
    await agreed();
    expect((await judged('live', {}, second)).verdicts).toEqual(['ok RELATION_AGREES']);
    expect(await lab.two.contents()).toBe(await lab.one.contents());
  });
});
