import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isFinal, type RunView } from '../../src/contracts/run';
import { cutPower, domainState } from '../guests/guest-server';
import { Gate, type GatePoint } from '../support/activity-gate';
import { Journey, type Leg } from '../support/death-journeys';
import { allCases, choiceOf, chosenCases, KINDS, VICTIMS, type DeathCase, type Kind, type Victim } from '../support/death-matrix';
import { E2eStack, RUN_DEADLINE_MS } from '../support/e2e-stack';
import { killLibvirtd, killQemu, startLibvirtd } from '../support/libvirtd';
import { eventually } from '../support/up-process';

/**
 * The death of any process at any step (`describeDeaths`): the run is held at a moment that is proven to have been reached, the victim gets its SIGKILL (the guest also a power
 * cut), what nobody else starts again is started, and the run goes on or ends as the matrix says (`death-matrix.ts`). Then the shared oracle. `npm test`
 * strikes a sample, `npm run test:full` all; the same seed strikes the same.
 */
jest.setTimeout(1_200_000);
/** Slow enough for the copy of a restore to have a middle. An online backup has its own limit. */
const COPY_BYTES_PER_SECOND = 24 * 1024 ** 2;
/** Every case may leave a recovery point of some 850 MiB. */
const BACKUPS_PER_INSTALLATION = 8;
/** How long libvirtd is away: an administrator's restart after a crash. */
const OUTAGE_MS = 3_000;
const REACHED_WITHIN_MS = 90_000;
const STATE_SEEN_WITHIN_MS = 15_000;
const TRIES = 3;

const choice = choiceOf(process.env);
const all = chosenCases(choice);

interface Installation {
  readonly kind: 'backup' | 'other';
  readonly stack: E2eStack;
  readonly gate: Gate;
  readonly journeys: Map<Kind, Journey>;
  cases: number;
}

let installation: Installation | null = null;

async function installedFor({ kind }: DeathCase): Promise<Installation> {
  const wanted = kind === 'backup-online' ? 'backup' : 'other';
  if (installation !== null && (installation.kind !== wanted || (wanted === 'backup' && installation.cases >= BACKUPS_PER_INSTALLATION))) await removed();
  if (installation === null) {
    const gate = new Gate();
    const stack = new E2eStack({ ...gate.env, ...(wanted === 'other' ? { MODOSU_COPY_RATE_LIMIT: String(COPY_BYTES_PER_SECOND) } : {}) });
    installation = { kind: wanted, gate, stack, journeys: new Map(), cases: 0 };
    await stack.start();
  }
  installation.cases += 1;
  return installation;
}

async function removed(): Promise<void> {
  const { gate, stack } = installation ?? {};
  installation = null;
  await startLibvirtd();
  gate?.openAll();
  await stack?.close();
  gate?.close();
}

async function strike({ victim }: DeathCase, stack: E2eStack, journey: Journey): Promise<void> {
  switch (victim) {
    case 'supervisor':
      return stack.killSupervisor();
    case 'libvirtd':
      return void (await killLibvirtd());
    case 'guest':
      return void (await killQemu(journey.guest.name));
    case 'power':
      return cutPower(journey.guest.uuid);
    case 'worker':
    case 'api':
    case 'temporal':
    case 'postgres': {
      const pid = stack.killPart(victim);
      await eventually(
        () => existsSync(`/proc/${pid}`),
        (alive) => !alive,
        10_000,
      );
    }
  }
}

/** Waits for the moment; before `start` the point is held already. False: it has passed. */
async function comeTo({ at }: DeathCase, runId: string, stack: E2eStack, gate: Gate): Promise<boolean> {
  if (at.startsWith('middle:')) {
    const step = at.slice('middle:'.length);
    const seen = await eventually(
      () => stack.run(runId),
      (run) => isFinal(run.state) || isUnderWay(run, step),
      REACHED_WITHIN_MS,
    );
    return isUnderWay(seen, step);
  }
  const reached = await gate.reached(at as GatePoint, REACHED_WITHIN_MS);
  // Some calls are told only the server, or another run that they are about.
  if (reached.runId?.startsWith('run_') && !at.startsWith('requireConfirmable')) expect(reached.runId).toBe(runId);
  return true;
}

const isUnderWay = ({ steps }: RunView, key: string): boolean =>
  steps.some((step) => step.key === key && step.state === 'running' && step.progress !== null && step.progress.doneBytes > 0);

/** API and database may be away for a while. */
const ended = (runId: string, stack: E2eStack): Promise<RunView> =>
  eventually(
    () => stack.run(runId).catch(() => null),
    (run): run is RunView => run !== null && isFinal(run.state),
    RUN_DEADLINE_MS,
  ) as Promise<RunView>;

/** Brings a run to its moment. One that was quicker than the test ends in peace, and there is another. */
async function atTheMoment(one: DeathCase, journey: Journey, stack: E2eStack, gate: Gate): Promise<{ readonly leg: Leg; readonly id: string }> {
  for (let left = TRIES; left > 0; left -= 1) {
    const leg = await journey.prepare(one);
    if (!one.at.startsWith('middle:')) gate.hold(one.at as GatePoint);
    const { id } = await leg.start();
    if ((await comeTo(one, id, stack, gate)) && (await leg.look())) return { leg, id };
    gate.openAll();
    await leg.judge(await ended(id, stack));
  }
  throw new Error(`${one.at} had passed ${TRIES} times before anybody could strike`);
}

async function endure(one: DeathCase): Promise<void> {
  const { stack, gate, journeys } = await installedFor(one);
  const journey = journeys.get(one.kind) ?? (await Journey.begin(stack, one.kind));
  journeys.set(one.kind, journey);
  const { leg, id } = await atTheMoment(one, journey, stack, gate);
  await strike(one, stack, journey);
  gate.openAll();
  if (one.victim === 'libvirtd') {
    await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
    await startLibvirtd();
  }

  const run = await ended(id, stack);
  expect(run).toMatchObject({ state: one.ending.state, error: one.ending.code === undefined ? null : { code: one.ending.code } });
  // libvirt hears of the death of a QEMU a moment later.
  await eventually(
    () => domainState(journey.guest.uuid),
    (state) => state === one.ending.server,
    STATE_SEEN_WITHIN_MS,
  );
  await journey.ready();
  await stack.expectOrder(run, await leg.judge(run));
  await journey.finish(run, one);
}

/** For whoever has to find out: the last words of the worker and of the supervisor, before the installation is removed. */
function lastWords(stack: E2eStack): string {
  const tail = (name: string): string => {
    const path = join(stack.stateDirectory, 'logs', `${name}.log`);
    return existsSync(path)
      ? `${name}:\n${readFileSync(path, 'utf8')
          .split('\n')
          .filter((line) => !line.includes('request answered'))
          .slice(-30)
          .join('\n')}`
      : '';
  };
  return ['worker', 'api'].map(tail).join('\n');
}

/** The chosen cases with these victims, for one test file. */
export function describeDeaths(ofVictim: (victim: Victim) => boolean): void {
  const cases = all.filter(({ victim }) => ofVictim(victim));
  describe(`deaths (seed ${choice.seed}: ${cases.length} of ${allCases().length} cases)`, () => {
    afterAll(removed);

    it('strike every kind of run and every process', () => {
      if (choice.limit !== null || choice.shard.of > 1 || choice.victims !== null) return;
      expect(new Set(all.map(({ kind }) => kind))).toEqual(new Set(KINDS));
      expect(new Set(all.map(({ victim }) => victim))).toEqual(new Set(VICTIMS));
      expect(cases.length).toBeGreaterThan(0);
    });

    // A selection may leave one of the files without a case; jest takes an empty table for a fault.
    if (cases.length === 0) return;
    it.each(cases.map((one): [string, DeathCase] => [`${one.kind}: ${one.victim} dies at ${one.at}: ${one.ending.state}, because ${one.ending.why}`, one]))(
      '%s',
      async (_title, one) => {
        try {
          await endure(one);
        } catch (error) {
          const words = installation === null ? '' : lastWords(installation.stack);
          // What a fault has left must not make the next case fail.
          await removed();
          throw new Error(`${error instanceof Error ? error.message : String(error)}\n${words}`, { cause: error });
        }
      },
    );
  });
}
