import type { Finding, RestorePlanBody, UndoPlanBody } from '../../src/contracts/plan';
import type { ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import { isFinal, type RunView } from '../../src/contracts/run';
import { unusedPort } from '../../src/roles/up/ports';
import { guestOutput, joinLan, layWire, waitForAgent, type GuestServer } from '../guests/guest-server';
import { E2eStack } from '../support/e2e-stack';
import { inFull } from '../support/thorough';
import { eventually } from '../support/up-process';
import { forwardDns } from '../support/zone-lab';
import { RAISE_SERIAL, REFRESH_ZONE, SHOW_SERIAL, ZONE, ZoneServer, type ZoneState } from '../support/zone-server';

/**
 * The classic accident of name servers, on two real ones: a primary goes back in time, and its secondary, which has a higher serial, does not take from it any more
 * what is changed there. First without the product knowing that the two belong together, then with it. Nobody tells the secondary to ask: it does by itself, or its primary
 * tells it. The two have a LAN of their own for that, which a restore takes away and go-live gives back; over the host only the probes reach them.
 */
jest.setTimeout(1_200_000);
const [PRIMARY, SECONDARY] = ['e2e-dns-primary', 'e2e-dns-secondary'] as const;
const ADDRESSES = { [PRIMARY]: '127.0.0.1', [SECONDARY]: '127.0.0.12' } as const;
const LAN = { [PRIMARY]: '192.168.77.31', [SECONDARY]: '192.168.77.32' } as const;
const FOLLOWS_WITHIN_MS = 60_000;

/** Serials are seconds since 1970, before today's. */
const at = (hour: number, note: string): ZoneState => ({ serial: 1_773_100_000 + hour * 3600, note });
const FIRST = at(0, 'as it was at first');
const [FIRST_IMAGE, CHANGED] = [at(1, 'as the first image has it'), at(2, 'changed after the first image')];
const [SECOND, CHANGED_AGAIN] = [at(3, 'as the second image has it'), at(4, 'changed after the second image')];

const stack = new E2eStack();
let port: number;
let guests: { readonly [PRIMARY]: GuestServer; readonly [SECONDARY]: GuestServer };
let primary: ZoneServer;
let secondary: ZoneServer;
let baseline: ImageRecoveryPointView;

beforeAll(async () => {
  port = await unusedPort();
  await stack.start();
  const [here, there] = await layWire([`${LAN[PRIMARY]}/24`, `${LAN[SECONDARY]}/24`]);
  guests = {
    [PRIMARY]: await stack.addServer({ name: PRIMARY, guest: 'name-server', lan: here }),
    [SECONDARY]: await stack.addServer({ name: SECONDARY, guest: 'name-server', lan: there }),
  };
  await Promise.all([PRIMARY, SECONDARY].map(forward));
  await Promise.all([joinLan(guests[PRIMARY].uuid, here), joinLan(guests[SECONDARY].uuid, there)]);
  [primary, secondary] = [zoneServerOf(PRIMARY), zoneServerOf(SECONDARY)];
  await primary.bePrimary(FIRST, `${LAN[SECONDARY]}@53`);
  await primary.serves();
  await secondary.beSecondaryOf(`${LAN[PRIMARY]}@53`);
  await follows(FIRST);
});
afterAll(() => stack.close());

function zoneServerOf(name: typeof PRIMARY | typeof SECONDARY): ZoneServer {
  const sh = (script: string, ...args: readonly string[]): Promise<string> => guestOutput(guests[name].uuid, ['sh', '-euc', script, 'sh', ...args]);
  return new ZoneServer({ sh, listen: '0.0.0.0@53', address: ADDRESSES[name], port });
}

/** After every start: what leads to a guest ends with its QEMU. */
async function forward(name: typeof PRIMARY | typeof SECONDARY): Promise<void> {
  const { uuid } = guests[name];
  await waitForAgent(uuid, 120_000);
  await forwardDns(uuid, ADDRESSES[name], port);
}

const often = (state: ZoneState): ZoneState => ({ ...state, refreshSeconds: 3 });
const publish = (state: ZoneState): Promise<void> => primary.publish(often(state));
const isSame = (one: ZoneState, other: ZoneState): boolean => one.serial === other.serial && one.note === other.note;
/** The secondary has it from its primary, all of it. */
async function follows(state: ZoneState): Promise<void> {
  await eventually(
    () => secondary.served().catch(() => null),
    (served) => served !== null && isSame(served, state),
    FOLLOWS_WITHIN_MS,
  );
  expect(await secondary.contents()).toBe(await primary.contents());
}
async function change(state: ZoneState): Promise<void> {
  await publish(state);
  await follows(state);
}
/** The secondary would ask in an hour: that it has it is because its primary has told it, over their LAN. */
async function isTold(note: string): Promise<void> {
  const { serial } = await primary.served();
  for (const [index, told] of [`${note}, asked once an hour`, note].entries()) {
    const state = { serial: serial + 1 + index, note: told };
    await primary.publish(state);
    await follows(state);
  }
  expect(await secondary.refresh()).toContain(`refresh, remote ${LAN[PRIMARY]}@53, `);
}
/** Of its end of the LAN, as the guest sees it. */
const isOnLan = async (name: typeof PRIMARY | typeof SECONDARY): Promise<boolean> =>
  (await guestOutput(guests[name].uuid, ['cat', '/sys/class/net/eth1/carrier'])).trim() === '1';
/** What is changed on the primary now does not arrive: the secondary asks, and says why it takes nothing. */
async function isIgnored(kept: ZoneState): Promise<void> {
  const { serial } = await primary.served();
  const lost = { serial: serial + 1, note: 'nobody gets it' };
  await publish(lost);
  expect(await secondary.refresh()).toMatch(new RegExp(`remote serial ${lost.serial}, remote is outdated$`, 'm'));
  expect(await primary.served()).toEqual(lost);
  expect(await secondary.served()).toEqual(kept);
}

/**
 * Each of the two is told to the product for the day on which it goes back; `raise-serial`: a program of the primary, or people; `show-serial`: one, or nobody looks before
 * go-live; `refresh-zone`: a program of the secondary, or people.
 */
const declare = (raiseSerial: string, showSerial: string, refreshZone = 'none'): Promise<void> =>
  stack.declareRelations(
    ...(
      [
        [PRIMARY, SECONDARY],
        [SECONDARY, PRIMARY],
      ] as const
    ).map(([server, peer]) => ({
      name: `zone-of-${server}`,
      type: 'replicates-with',
      server,
      address: ADDRESSES[server],
      peers: [{ server: peer, address: ADDRESSES[peer] }],
      profile: 'dns-zone',
      parameters: { zone: ZONE, primary: PRIMARY, port: String(port), 'raise-serial': raiseSerial, 'show-serial': showSerial, 'refresh-zone': refreshZone },
    })),
  );

const planned = async () => {
  const plan = await stack.plan(PRIMARY, baseline.id);
  expect(plan).toMatchObject({ state: 'ready', error: null });
  return { plan, body: plan.body as RestorePlanBody };
};
const ofRelations = ({ findings }: RestorePlanBody | UndoPlanBody): readonly Finding[] => findings.filter(({ relation }) => relation !== undefined);
const codes = (body: RestorePlanBody | UndoPlanBody): readonly string[] => ofRelations(body).map(({ code }) => code);
const stepOf = ({ steps }: RunView, key: string) => steps.find((step) => step.key === key);
const waitsFor = (id: string, what: RunView['waitingFor']): Promise<RunView> =>
  eventually(
    () => stack.run(id),
    ({ waitingFor, state }) => waitingFor === what || isFinal(state),
    240_000,
  );

it('what is changed on the primary reaches its secondary because it is told, over their LAN alone', async () => {
  await isTold('told');
  await change(FIRST_IMAGE);
});

it('a primary whose relation nobody has declared comes back, its run has succeeded, and what is changed on it reaches nobody any more', async () => {
  baseline = await stack.backup(PRIMARY, 'baseline', { mode: 'online' });
  await change(CHANGED);
  const { plan, body } = await planned();
  expect(codes(body)).toEqual([]);
  const { id } = await stack.startRestore(plan, { hold: true });
  expect(await waitsFor(id, 'go-live')).toMatchObject({ waitingFor: 'go-live' });
  expect([await isOnLan(PRIMARY), await secondary.reachesPrimary()]).toEqual([false, false]);
  await forward(PRIMARY);
  await stack.goLive(id);
  expect(await stack.finished(id)).toMatchObject({ state: 'succeeded', error: null });
  expect(await isOnLan(PRIMARY)).toBe(true);

  expect(await primary.served()).toEqual(FIRST_IMAGE);
  await isIgnored(CHANGED);

  // What people do about it once they have found out.
  await change(SECOND);
  expect((await stack.finished((await stack.confirm(id)).id)).state).toBe('succeeded');
});

it('with the relation the plan says so, a program raises the serial in quarantine, and the secondary follows', async () => {
  await declare(RAISE_SERIAL, SHOW_SERIAL);
  baseline = await stack.backup(PRIMARY, 'with its relation', { mode: 'online' });
  await change(CHANGED_AGAIN);
  const { plan, body } = await planned();
  const [finding, ...others] = ofRelations(body);
  expect(others).toEqual([]);
  expect(finding).toMatchObject({ code: 'SECONDARY_AHEAD_FOR_PROGRAM', severity: 'step', relation: { peer: SECONDARY, profile: 'dns-zone' } });
  expect(finding?.evidence.join('\n')).toMatch(new RegExp(`${CHANGED_AGAIN.serial}[^]*${SECOND.serial}|${SECOND.serial}[^]*${CHANGED_AGAIN.serial}`));
  const key = `rule:SECONDARY_AHEAD_FOR_PROGRAM:${SECONDARY}`;
  expect(body.relationSteps).toMatchObject([{ key, argv: [RAISE_SERIAL, ZONE], on: 'server', when: 'quarantine' }]);

  const { id } = await stack.startRestore(plan, { hold: true });
  const waiting = await waitsFor(id, 'go-live');
  expect(waiting).toMatchObject({ waitingFor: 'go-live' });
  expect(stepOf(waiting, key)).toMatchObject({ state: 'succeeded', detail: { applied: true } });
  expect(stepOf(waiting, 'peers-before')).toMatchObject({ state: 'succeeded', detail: { judged: 1 } });
  const restored = await primary.contents();
  expect(restored).toContain(SECOND.note);
  expect(await secondary.served()).toEqual(CHANGED_AGAIN);
  expect([await isOnLan(PRIMARY), await secondary.reachesPrimary()]).toEqual([false, false]);

  await forward(PRIMARY);
  await stack.goLive(id);
  const run = await stack.finished(id);
  expect(run).toMatchObject({ state: 'succeeded', error: null });
  expect(stepOf(run, 'peers')).toMatchObject({ state: 'succeeded', detail: { judged: 1 } });
  const raised = await primary.served();
  expect(raised).toEqual({ serial: expect.any(Number) as number, note: SECOND.note });
  expect(raised.serial).toBeGreaterThan(CHANGED_AGAIN.serial);
  await follows(raised);
  expect(await secondary.contents()).toBe(restored);
  await isTold('told after the restore');
  await change({ serial: (await primary.served()).serial + 1, note: 'changed after the restore' });
  await stack.expectOrder(run);

  // The secondary has followed: going back to what was before would be the same accident once more.
  const undo = (await stack.undoPlan(id)).body as UndoPlanBody;
  expect(codes(undo)).toEqual(['SECONDARY_AHEAD_FOR_PROGRAM']);
  // Nothing of an undo raises it before the secondary sees the server.
  expect(ofRelations(undo)).toMatchObject([{ severity: 'block', remedy: expect.stringContaining('has no quarantine') as string }]);
  expect((await stack.finished((await stack.confirm(id)).id)).state).toBe('succeeded');
});

it('a person does what the step says, before the primary serves, and the secondary follows', async () => {
  await declare('none', 'none');
  const had = await secondary.served();
  const { plan, body } = await planned();
  expect(codes(body)).toEqual(['SECONDARY_AHEAD']);
  const key = `rule:SECONDARY_AHEAD:${SECONDARY}`;
  expect(body.relationSteps).toMatchObject([{ key, argv: null, when: 'quarantine' }]);
  const title = body.relationSteps?.[0]?.title ?? '';
  expect(title).toContain(`set the serial of ${ZONE} to a greater one than ${had.serial}`);
  const { id } = await stack.startRestore(plan);
  const waiting = await waitsFor(id, 'sign-off');
  expect(waiting).toMatchObject({ waitingFor: 'sign-off' });
  expect(stepOf(waiting, key)?.title).toBe(title);
  await forward(PRIMARY);
  const wanted = Number(/greater one than (\d+)/.exec(title)?.[1]) + 1;
  await publish({ ...SECOND, serial: wanted });
  await stack.post(`/v1/runs/${id}/sign-off`, { reason: 'raised by one' });
  const run = await stack.finished(id);
  expect(run).toMatchObject({ state: 'succeeded', error: null });
  expect(stepOf(run, key)).toMatchObject({ state: 'succeeded', detail: { reason: 'raised by one' } });
  expect(stepOf(run, 'peers')?.state).toBe('succeeded');
  await follows({ ...SECOND, serial: wanted });
  await change({ serial: wanted + 1, note: 'changed after the restore' });
  await stack.expectOrder(run);
  expect((await stack.finished((await stack.confirm(id)).id)).state).toBe('succeeded');
});

inFull('a step that is signed off and was not done does not make a restore succeed; undone, the two agree again', async () => {
  const had = await secondary.served();
  const { plan, body } = await planned();
  expect(codes(body)).toEqual(['SECONDARY_AHEAD']);
  const { id } = await stack.startRestore(plan);
  expect(await waitsFor(id, 'sign-off')).toMatchObject({ waitingFor: 'sign-off' });
  await forward(PRIMARY);
  await stack.post(`/v1/runs/${id}/sign-off`, { reason: 'it will be right' });
  await stack.stepIs(id, 'go-live', 'succeeded');
  expect(await primary.serves()).toEqual(SECOND);
  await isIgnored(had);
  const run = await stack.finished(id);
  expect(run).toMatchObject({
    state: 'failed',
    error: { code: 'PEERS_REJECT', message: expect.stringContaining('SECONDARY_STILL_AHEAD') as string },
    wayBack: { state: 'open' },
  });
  expect(await secondary.served()).toEqual(had);
  await stack.expectOrder(run);

  const undo = await stack.undoPlan(id);
  expect(codes(undo.body as UndoPlanBody)).toEqual(['RELATION_AGREES']);
  const undoing = await stack.startRestore(undo);
  await stack.stepIs(undoing.id, 'agent', 'succeeded');
  await forward(PRIMARY);
  const undone = await stack.finished(undoing.id);
  expect(undone).toMatchObject({ state: 'succeeded', error: null });
  expect(stepOf(undone, 'peers')).toMatchObject({ state: 'succeeded', detail: { judged: 1 } });
  expect(await primary.serves()).toEqual(had);
  await change({ serial: had.serial + 1, note: 'changed after the undo' });
});

inFull('a secondary goes back, asks its primary in vain while it is kept from it, and a program has it ask once it is live', async () => {
  await declare('none', 'none', REFRESH_ZONE);
  await isTold('as the image of the secondary has it');
  const then = await secondary.served();
  const image = await stack.backup(SECONDARY, 'of the secondary', { mode: 'online' });
  await isTold('changed after the image of the secondary');
  const since = await primary.served();

  const plan = await stack.plan(SECONDARY, image.id);
  const body = plan.body as RestorePlanBody;
  expect(codes(body)).toEqual(['RESTORED_SECONDARY_LACKS_CHANGES']);
  // What is to be done is asked for once it is live, whether or not the plan knew of it.
  const key = `rule:RESTORED_SECONDARY_TO_REFRESH:${PRIMARY}`;
  expect(body.relationSteps ?? []).toEqual([]);
  const { id } = await stack.startRestore(plan, { hold: true });
  expect(await waitsFor(id, 'go-live')).toMatchObject({ waitingFor: 'go-live' });
  expect([await isOnLan(SECONDARY), await secondary.reachesPrimary()]).toEqual([false, false]);
  await forward(SECONDARY);
  expect(await secondary.contents()).toContain(then.note);
  await stack.goLive(id);
  const run = await stack.finished(id);
  expect(run).toMatchObject({ state: 'succeeded', error: null });
  expect(stepOf(run, key)).toMatchObject({ state: 'succeeded', detail: { applied: true } });
  expect(stepOf(run, 'peers')).toMatchObject({ state: 'succeeded', detail: { judged: 1 } });
  expect(await secondary.served()).toEqual(since);
  await isTold('told after the restore of the secondary');
  await stack.expectOrder(run);
});
