import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { RestorePlanView } from '../../src/contracts/plan';
import type { RunView } from '../../src/contracts/run';
import { checksumFiles, domainState, guestOutput, startGuest, waitForAgent, type GuestServer } from '../guests/guest-server';
import { runProgram } from '../guests/run-program';
import { BALLAST, expectBallast, loadBallast } from './ballast';
import type { DeathCase, Kind, MomentName } from './death-matrix';
import type { E2eStack } from './e2e-stack';
import { sha256InImage } from './image-contents';
import { sha256OfFile, storedDisks, type Expected } from './oracle';

const APP = '/opt/app';
const READY_WITHIN_MS = 120_000;
/** Short: a server that has died never answers. Long enough for one that boots beside everything else. */
export const AGENT_TIMEOUT_SECONDS = 40;

/** QEMU's job is under way then; one that was quicker than the test is no case. */
const DURING_JOB: readonly MomentName[] = ['beginOnlineBackup.after', 'saveDefinition.before', 'followOnlineBackup.before', 'middle:copy:vdb'];

/** One run that is about to be made, and what must be true once it has ended. */
export interface Leg {
  start(): Promise<RunView>;
  /** Called right before the blow. False: it would come too late for what it is to prove. */
  look(): Promise<boolean>;
  /** What is special to the kind; for the oracle: contents and disks. */
  judge(run: RunView): Promise<Expected>;
}

/** A guest of its own for each kind of run, brought from case to case by the runs themselves: an undo that has ended is what the next one undoes. */
export class Journey {
  private marks = 0;
  /** What the present volumes hold, and what the newest open way back would return to. */
  private presentSum = '';
  private kept: { readonly sum: string; readonly ofRunId: string } | null = null;

  private constructor(
    private readonly stack: E2eStack,
    private readonly kind: Kind,
    readonly guest: GuestServer,
    /** What every recovery point of the baseline holds. */
    private readonly baseline: { readonly sum: string; readonly recoveryPointId: string | null },
  ) {
    this.presentSum = baseline.sum;
  }

  static async begin(stack: E2eStack, kind: Kind): Promise<Journey> {
    const name = `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'e2e-'}deaths-${kind}`;
    const isBackup = kind === 'backup-online';
    const guest = await stack.addServer({
      name,
      guest: 'minimal',
      agentTimeoutSeconds: AGENT_TIMEOUT_SECONDS,
      start: false,
      ...(isBackup
        ? {
            dataDisk: BALLAST.dataDisk,
            protection: { onlineBackup: { rateLimitBytesPerSecond: BALLAST.rateLimitBytesPerSecond, maxGuestLatencyMs: null } },
          }
        : {}),
    });
    if (guest.dataDisk !== null) {
      await stack.slowRepository();
      await loadBallast(guest);
    }
    await startGuest(guest.uuid);
    await waitForAgent(guest.uuid, READY_WITHIN_MS);
    await guestOutput(guest.uuid, ['sh', '-c', `mkdir -p ${APP} && head -c 6000000 /dev/urandom > ${APP}/random && sync`]);
    const sum = await checksumFiles(guest.uuid, APP);
    const recoveryPointId = isBackup ? null : (await stack.backup(name)).id;
    return new Journey(stack, kind, guest, { sum, recoveryPointId });
  }

  /** The guest runs and answers. One that a blow has ended is started; one that is paused is a fault that somebody has to see. */
  async ready(): Promise<void> {
    const { uuid } = this.guest;
    if ((await domainState(uuid)) === 'shut off') await startGuest(uuid);
    await waitForAgent(uuid, READY_WITHIN_MS);
  }

  async prepare({ at }: DeathCase): Promise<Leg> {
    await this.ready();
    switch (this.kind) {
      case 'backup-online':
        return this.prepareBackup(at);
      case 'restore':
        return this.prepareRestore();
      case 'undo':
        return this.prepareUndo();
      case 'confirm':
        return this.prepareConfirm();
    }
  }

  /**
   * Once the case has been judged. The old volumes of a restore would only take room; and an undo that found its server off has kept it as one that is off:
   * undoing that would not start it.
   */
  async finish(run: RunView, { victim }: DeathCase): Promise<void> {
    const diedFirst = this.kind === 'undo' && (victim === 'guest' || victim === 'power');
    if (run.state !== 'succeeded' || !(this.kind === 'restore' || diedFirst)) return;
    const ended = await this.stack.finished((await this.stack.confirm(run.id)).id);
    if (ended.state !== 'succeeded') throw new Error(`the old volumes could not be removed: ${JSON.stringify(ended.error)}`);
    this.kept = null;
  }

  private async prepareBackup(at: DeathCase['at']): Promise<Leg> {
    await this.mark();
    const { name } = this.guest;
    const pointsBefore = (await this.stack.recoveryPoints(name)).length;
    const marker = await guestOutput(this.guest.uuid, ['sh', '-c', `sha256sum ${APP}/mark`]);
    let written: string | null = null;
    return {
      start: () => this.stack.startBackup(name, 'a death', { mode: 'online' }),
      look: async () => {
        written = isAfterBegin(at) ? this.stagedImage() : null;
        if (!DURING_JOB.includes(at)) return true;
        return (await runProgram('virsh', ['-q', '-c', 'qemu:///system', 'backup-dumpxml', this.guest.uuid])).exitCode === 0;
      },
      judge: async (run) => {
        const points = await this.stack.recoveryPoints(name);
        expect(points).toHaveLength(pointsBefore + (run.state === 'succeeded' ? 1 : 0));
        const point = points.find(({ runId }) => runId === run.id);
        if (run.state === 'succeeded') {
          const disks = join(this.stack.repository, 'servers', point?.serverId ?? '', point?.id ?? '', 'disks');
          const image = join(disks, 'vda.qcow2');
          expect(await sha256InImage(image, `${APP}/mark`)).toBe(marker.slice(0, 64));
          await expectBallast(join(disks, 'vdb.qcow2'));
          // What QEMU had begun to write before the blow is what was published: nothing was copied twice.
          if (written !== null) expect(identityOf(image)).toBe(written);
        }
        return this.same();
      },
    };
  }

  private async prepareRestore(): Promise<Leg> {
    await this.mark();
    const before = await storedDisks(this.guest.uuid);
    const plan = await this.restorePlan();
    const same = this.same();
    let asleep: ReadonlyMap<string, string> = new Map();
    return {
      start: () => this.stack.startRestore(plan),
      look: async () => {
        asleep = await this.sumsWhileOff(before);
        return true;
      },
      judge: async (run) => {
        const open = await this.stack.wayBacks(this.guest.name, 'open');
        if (run.state !== 'succeeded') {
          expect(open).toEqual([]);
          return { ...same, disks: [{ guest: this.guest, paths: before }] };
        }
        expect(open).toMatchObject([{ runId: run.id, volumes: before.map((path) => ({ path })) }]);
        this.presentSum = this.baseline.sum;
        return { ...this.same(), unchanged: asleep, disks: [{ guest: this.guest, paths: before.map((path) => newName(path, run.id)) }] };
      },
    };
  }

  private async prepareUndo(): Promise<Leg> {
    const kept = this.kept ?? (await this.restored());
    const before = await storedDisks(this.guest.uuid);
    const plan = ready(await this.stack.undoPlan(kept.ofRunId));
    const returnsTo = (await this.stack.wayBacks(this.guest.name, 'open')).find(({ runId }) => runId === kept.ofRunId)?.volumes.map(({ path }) => path) ?? [];
    let asleep: ReadonlyMap<string, string> = new Map();
    return {
      start: () => this.stack.startRestore(plan),
      look: async () => {
        asleep = await this.sumsWhileOff(before);
        return true;
      },
      judge: async (run) => {
        const open = await this.stack.wayBacks(this.guest.name, 'open');
        if (run.state !== 'succeeded') {
          expect(open.map(({ runId }) => runId)).toEqual([kept.ofRunId]);
          return { ...this.same(), disks: [{ guest: this.guest, paths: before }] };
        }
        expect(open).toMatchObject([{ runId: run.id, volumes: before.map((path) => ({ path })) }]);
        expect((await this.stack.run(kept.ofRunId)).wayBack).toMatchObject({ state: 'undone', closedBy: run.id });
        this.kept = { sum: this.presentSum, ofRunId: run.id };
        this.presentSum = kept.sum;
        return { ...this.same(), unchanged: asleep, disks: [{ guest: this.guest, paths: returnsTo }] };
      },
    };
  }

  private async prepareConfirm(): Promise<Leg> {
    const kept = this.kept ?? (await this.restored());
    const before = await storedDisks(this.guest.uuid);
    const volumes = (await this.stack.wayBacks(this.guest.name, 'open')).flatMap((wayBack) => wayBack.volumes.map(({ path }) => path));
    expect(volumes.filter((path) => existsSync(path))).toHaveLength(1);
    return {
      start: () => this.stack.confirm(kept.ofRunId),
      look: async () => true,
      judge: async (run) => {
        expect(run.state).toBe('succeeded');
        this.kept = null;
        expect(volumes.filter((path) => existsSync(path))).toEqual([]);
        expect((await this.stack.run(kept.ofRunId)).wayBack).toMatchObject({ state: 'confirmed', closedBy: run.id });
        return { ...this.same(), disks: [{ guest: this.guest, paths: before }] };
      },
    };
  }

  /** A restore that is only the way to a case. */
  private async restored(): Promise<{ readonly sum: string; readonly ofRunId: string }> {
    await this.mark();
    const run = await this.stack.finished((await this.stack.startRestore(await this.restorePlan())).id);
    if (run.state !== 'succeeded') throw new Error(`the restore before the case ${run.state}: ${JSON.stringify(run.error)}`);
    this.kept = { sum: this.presentSum, ofRunId: run.id };
    this.presentSum = this.baseline.sum;
    return this.kept;
  }

  private restorePlan = async (): Promise<RestorePlanView> => ready(await this.stack.plan(this.guest.name, this.baseline.recoveryPointId ?? undefined));

  /** From now on the present volumes differ from every earlier state. */
  private async mark(): Promise<void> {
    this.marks += 1;
    await guestOutput(this.guest.uuid, ['sh', '-c', `echo "mark ${this.marks} of ${this.kind}" > ${APP}/mark && sync`]);
    this.presentSum = await checksumFiles(this.guest.uuid, APP);
  }

  private same = (): Expected => ({ contents: [{ guest: this.guest, directory: APP, sha256: this.presentSum }] });

  /** Of volumes that nobody may write to from now on: the server is off, and comes back on others. Empty while it runs. */
  private async sumsWhileOff(paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if ((await domainState(this.guest.uuid)) !== 'shut off') return new Map();
    return new Map(await Promise.all(paths.map(async (path) => [path, await sha256OfFile(path)] as const)));
  }

  private stagedImage(): string | null {
    const staging = join(this.stack.repository, 'staging');
    const [recoveryPoint] = existsSync(staging) ? readdirSync(staging) : [];
    const image = join(staging, recoveryPoint ?? 'none', 'disks', 'vda.qcow2');
    return existsSync(image) ? identityOf(image) : null;
  }
}

/** Whether a blow at this moment finds a job under way, or its images: before it there is nothing that could be copied twice. */
const isAfterBegin = (at: DeathCase['at']): boolean =>
  !['startRun.before', 'examineForBackup.before', 'takeFence.before', 'reserveRoom.before', 'beginOnlineBackup.before'].includes(at);

const ready = (plan: RestorePlanView): RestorePlanView => {
  if (plan.state !== 'ready') throw new Error(`no plan: ${JSON.stringify(plan.error)}`);
  return plan;
};
const newName = (path: string, runId: string): string => `${path.replace(/\.run_[0-9a-z]{26}$/, '')}.${runId}`;
/** A file that was made anew under the same name is another one. */
const identityOf = (path: string): string => {
  const { ino, birthtimeMs } = statSync(path);
  return `${ino} ${birthtimeMs}`;
};
