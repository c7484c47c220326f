import { setTimeout as delay } from 'node:timers/promises';
import type { OnlineBackupStart } from '../../../contracts/activities/images';
import type { ErrorCode } from '../../../contracts/error-codes';
import { isModosuError, ModosuError, toModosuError } from '../../../contracts/errors';
import type { ServerRef } from '../../../contracts/server';
import { canonicalJson } from '../../../domain/canonical-json';
import type { OnlineBackupRequest } from '../../hypervisor';
import { LibvirtGuestAgent } from '../agent';
import { BackupJob, checkpointLost } from './backup-job';
import { changesTarget, createTarget, measureTarget, reserve, type BackupTarget } from './backup-targets';
import { canHold, Checkpoints } from './checkpoints';
import type { Domains, StoredDefinition } from '../domains/domains';
import { fingerprint } from '../domains/domain-xml';
import type { Fences } from '../domains/fence';
import { after, before, FreezeRefused, insideFreeze } from './freeze-window';
import { requireFreezable } from './freezable';
import { GuardProcess } from './guard-process';
import { elapsedMs, GuardFiles, LATE_JOB_MS, markedDisks, type Begun, type Freeze, type GuardOrder } from './guard-state';
import type { Inspector } from '../domains/inspect';
import { qemuProcessOf, requireReachable } from './qemu-access';
import { quiesceFailed } from './quiesce-hooks';
import { ServerControl } from './server-control';
import { together } from '../../../system/together';
import { takeBack } from './take-back';
import type { Virsh, VirshOptions } from '../virsh';
import { WorkerWord } from './worker-word';

export interface OnlineBackupSettings {
  readonly stateDirectory: string;
  readonly connection: Pick<VirshOptions, 'name' | 'uri' | 'socketPath' | 'commandTimeoutMs'>;
  readonly stallTimeoutMs: number;
  readonly guardCommand: readonly [string, ...string[]];
  /** How long somebody looks after a freeze that was not answered. */
  readonly lateFreezeMs: number;
  /** False only in tests of full storage. */
  readonly reserve: boolean;
}

export interface OnlineBackupParts {
  readonly virsh: Virsh;
  readonly domains: Domains;
  readonly fences: Fences;
  readonly inspector: Inspector;
  readonly settings: OnlineBackupSettings;
}

/** What is known before anything is asked of the server. */
interface Prepared {
  readonly order: GuardOrder;
  /** Disks that are not backed up: CD-ROMs and floppies. */
  readonly left: readonly string[];
  readonly hasAgentChannel: boolean;
  readonly domainName: string;
  readonly targets: readonly (BackupTarget & { readonly target: string; readonly path: string })[];
}

/** How often a freeze that did not hold is tried, all in all. */
const FREEZE_ATTEMPTS = 3;
const BEGIN_MS = 30_000;

/** See `Hypervisor.beginOnlineBackup`. */
export class OnlineBackupBeginner {
  constructor(private readonly parts: OnlineBackupParts) {}

  async begin(request: OnlineBackupRequest, signal: AbortSignal): Promise<OnlineBackupStart> {
    const { files, guard } = this.watchers(request);
    signal.throwIfAborted();
    await this.parts.fences.require(request.server, request.fence);

    const adopted = await this.adopt(request, files, guard);
    if (adopted !== null) return adopted;
    const [taking, refusal] = (await this.goOn(request, files, guard)) ?? (await this.ready(request, files, guard, signal));
    return taking.orGiveUp(async () => {
      signal.throwIfAborted();
      return taking.take(refusal, signal);
    });
  }

  /** See `Hypervisor.prepareOnlineBackup`. */
  async prepare(request: OnlineBackupRequest, signal: AbortSignal): Promise<void> {
    const { files, guard } = this.watchers(request);
    signal.throwIfAborted();
    await this.parts.fences.require(request.server, request.fence);

    if ((await this.adopt(request, files, guard)) !== null) return;
    const [taking, refusal] = await this.ready(request, files, guard, signal);
    await taking.orGiveUp(async () => {
      signal.throwIfAborted();
      await taking.keepForLater(preparedFor(request), refusal);
    });
  }

  private watchers({ fence }: OnlineBackupRequest): { readonly files: GuardFiles; readonly guard: GuardProcess } {
    const { settings } = this.parts;
    const files = GuardFiles.of(settings.stateDirectory, fence.runId);
    return { files, guard: new GuardProcess(files, settings.guardCommand) };
  }

  /** From the beginning: everything that has to be there before anything is frozen. */
  private async ready(request: OnlineBackupRequest, files: GuardFiles, guard: GuardProcess, signal: AbortSignal): Promise<ReadyToTake> {
    const { server } = request;
    const lateFreezes = await this.clear(server, files, guard);
    signal.throwIfAborted();

    const prepared = await this.survey(request);
    signal.throwIfAborted();
    await guard.makeDirectory();
    await files.writeOrder(prepared.order);
    const word = await WorkerWord.takeOver(files, { freezes: lateFreezes, job: 'none', jobAskedAtMs: null, rateLimited: false, afterHookOwed: false });
    const taking = this.taking(request, prepared, files, guard, word);
    return taking.orGiveUp(async () => {
      // Side by side: none needs another, and none asks anything of the server that would have to be taken back.
      const refused = requireFreezable(server, taking.agent, prepared.hasAgentChannel).then(
        () => null,
        (error: unknown) => ({ error }),
      );
      const [, , refusal] = await together(this.prepareTargets(request, prepared, taking.checkpoints), guard.arm(), refused, taking.job.forgetLastEnd());
      return [taking, refusal];
    });
  }

  /**
   * From where a preparation of the same request has got to. Used up by that: a second begin finds an attempt that has failed, and takes back what it left. Null:
   * there is none.
   */
  private async goOn(request: OnlineBackupRequest, files: GuardFiles, guard: GuardProcess): Promise<ReadyToTake | null> {
    const [prepared, order, said] = [await files.readPrepared(), await files.readOrder(), await files.readWord()];
    if (prepared === null || order === null || said === null || said.job !== 'none' || prepared.request !== preparedFor(request)) return null;
    await files.forgetPrepared();
    const word = await WorkerWord.takeOver(files, said);
    // It ends with the worker that had armed it.
    await guard.arm();
    const { refusal } = prepared;
    return [
      this.taking(request, { order, left: prepared.left }, files, guard, word),
      refusal === null ? null : { error: new ModosuError(refusal.code, refusal.message) },
    ];
  }

  private taking(request: OnlineBackupRequest, prepared: Pick<Prepared, 'order' | 'left'>, files: GuardFiles, guard: GuardProcess, word: WorkerWord): Taking {
    const { settings, virsh } = this.parts;
    const { server } = request;
    const agent = new LibvirtGuestAgent(virsh, server);
    const job = new BackupJob(virsh, server, prepared.order.disks);
    return new Taking(this.parts, request, prepared, files, guard, word, job, agent, new Checkpoints(virsh, server, settings.stateDirectory));
  }

  /** The start of an earlier attempt, when nothing about it is in doubt. */
  private async adopt({ server }: OnlineBackupRequest, files: GuardFiles, guard: GuardProcess): Promise<Begun | null> {
    const [begun, order, word] = [await files.readBegun(), await files.readOrder(), await files.readWord()];
    if (begun === null || order === null || word === null) return null;
    const known = (await files.readFinished()) || ((await files.readState())?.outcome ?? null) !== null;
    const job = new BackupJob(this.parts.virsh, server, order.disks);
    if (!known && !(await job.isOurs())) {
      // Over in this moment, or nobody saw how it ended.
      const totalBytes = order.disks.reduce((sum, disk) => sum + disk.virtualSizeBytes, 0);
      // Of what has changed nobody knows how much it is: any backup that was taken since would look like ours.
      const isIncremental = order.disks.some(({ backingName }) => backingName !== undefined);
      if (!(await guard.isWatching()) && (isIncremental || (await job.lastEnd(totalBytes)) !== 'completed')) return null;
    }
    await WorkerWord.takeOver(files, { ...word, job: 'begun' });
    if (!known) await guard.arm();
    return begun;
  }

  /** Takes back what an earlier attempt has left. Returns its freezes that may yet be carried out. */
  private async clear(server: ServerRef, files: GuardFiles, guard: GuardProcess): Promise<readonly Freeze[]> {
    const { settings, virsh } = this.parts;
    const left = await takeBack(virsh, server, files, { waitForLateFreezes: false, stateDirectory: settings.stateDirectory });
    await guard.forget();
    return left.filter((freeze) => !freeze.answered && elapsedMs(freeze.askedAtMs) < settings.lateFreezeMs);
  }

  /** Looks at everything, changes nothing. */
  private async survey(request: OnlineBackupRequest): Promise<Prepared> {
    const { domains, fences, inspector, settings, virsh } = this.parts;
    const { server, fence, limits, quiesce, checkpoint, since } = request;
    const [state, stored, live, present] = await together(
      new ServerControl(virsh, server).requireRunning(),
      fences.require(server, fence),
      domains.live(server),
      new BackupJob(virsh, server, request.disks).presentOfAnyKind(),
    );
    requireUnchanged(request, stored, live);
    if (present.kind !== 'none') throw foreign(server, present.kind === 'foreign' ? present.what : 'a backup to the same files');

    const targets: Prepared['targets'][number][] = [];
    const able: string[] = [];
    for (const { target, path, targetPath, backingName } of request.disks) {
      const disk = live.description.disks.find((candidate) => candidate.target === target);
      if (disk === undefined) throw changed(server, `it has no disk ${target}`);
      const chain = await inspector.chainOf(disk);
      targets.push({ target, path, targetPath, backingName, chain });
      if (canHold(disk, chain)) able.push(target);
    }
    const unable = targets.find(({ target, backingName }) => backingName !== undefined && !able.includes(target));
    if (unable !== undefined) throw checkpointLost(server, `disk ${unable.target} cannot hold a checkpoint any more`);
    return {
      left: live.description.removableMedia.map(({ target }) => target),
      hasAgentChannel: live.description.hasAgentChannel,
      domainName: live.description.name,
      targets,
      order: {
        runId: fence.runId,
        server: { uuid: server.uuid, name: server.name },
        connection: settings.connection,
        disks: targets.map(({ target, path, targetPath, backingName, chain }) => ({
          target,
          path,
          targetPath,
          backingName,
          virtualSizeBytes: chain.virtualSizeBytes,
        })),
        settled: null,
        checkpoints: checkpoint === undefined || able.length === 0 ? null : { name: checkpoint, able, since: since ?? null },
        afterHook: quiesce.after === null ? null : [...quiesce.after],
        rateLimitBytesPerSecond: limits.rateLimitBytesPerSecond,
        maxGuestLatencyMs: limits.maxGuestLatencyMs,
        pausedBefore: state === 'storage',
        lateFreezeMs: settings.lateFreezeMs,
      },
    };
  }

  /** Makes the files QEMU will write to, and sees to it that it can, and that they fit. */
  private async prepareTargets({ server }: OnlineBackupRequest, { domainName, order, targets }: Prepared, checkpoints: Checkpoints): Promise<void> {
    const { settings } = this.parts;
    const since = order.checkpoints?.since ?? null;
    const marked = markedDisks(order);
    const problem = since === null ? null : await checkpoints.recall(since, marked);
    if (problem !== null) throw checkpointLost(server, problem);
    const changedBytes = since === null ? {} : await checkpoints.changedBytes(since);
    if (order.checkpoints !== null) await checkpoints.announce(order.checkpoints.name, marked);
    // A session's QEMU runs as we do.
    const isSession = settings.connection.uri === 'qemu:///session';
    const qemu = isSession ? null : await qemuProcessOf(domainName, server.uuid);
    for (const target of targets) {
      await createTarget(target);
      if (!isSession) await requireReachable(server, qemu, target.targetPath);
    }
    if (!settings.reserve) return;
    const needs: { targetPath: string; neededBytes: number }[] = [];
    for (const target of targets) {
      const changed = target.backingName === undefined ? undefined : changedBytes[target.target];
      needs.push({ targetPath: target.targetPath, neededBytes: changed === undefined ? await measureTarget(target) : changesTarget(target, changed) });
    }
    await reserve(needs);
  }
}

/** A refusal is what `requireFreezable` has thrown. */
type ReadyToTake = readonly [taking: Taking, refusal: { readonly error: unknown } | null];

/** Two requests with the same are the same: what was made for one serves the other. */
const preparedFor = ({ disks, definitionFingerprint, checkpoint, since }: OnlineBackupRequest): string =>
  canonicalJson({ disks, definitionFingerprint, checkpoint: checkpoint ?? null, since: since ?? null });

/** One call's way to a job that has begun, with the guard watching. */
class Taking {
  /** libvirt did not answer when it was asked to begin. */
  private unsure = false;
  private limiting: Promise<void> = Promise.resolve();

  constructor(
    private readonly parts: OnlineBackupParts,
    private readonly request: OnlineBackupRequest,
    private readonly prepared: Pick<Prepared, 'order' | 'left'>,
    private readonly files: GuardFiles,
    private readonly guard: GuardProcess,
    private readonly word: WorkerWord,
    readonly job: BackupJob,
    readonly agent: LibvirtGuestAgent,
    readonly checkpoints: Checkpoints,
  ) {}

  /** Work after whose failure nothing of this call is left. */
  async orGiveUp<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.giveUp();
      throw error;
    }
  }

  /** Writes down that everything is there, for a later call. A guest that cannot be frozen is refused now, unless it need not be. */
  async keepForLater(request: string, refusal: { readonly error: unknown } | null): Promise<void> {
    const { allowCrashConsistent } = this.request;
    if (refusal !== null && (!allowCrashConsistent || !canDoWithout(refusal.error))) throw refusal.error;
    await this.word.requireOurs();
    await this.files.writePrepared({ request, left: [...this.prepared.left], refusal: refusal === null ? null : problemOf(refusal.error) });
  }

  /** `refusal`: what `requireFreezable` has thrown. */
  async take(refusal: { readonly error: unknown } | null, signal: AbortSignal): Promise<OnlineBackupStart> {
    const { server, allowCrashConsistent } = this.request;
    let why: string;
    try {
      if (refusal !== null) throw refusal.error;
      for (let attempt = 1; ; attempt += 1) {
        const taken = await this.quiesced(signal);
        if (typeof taken !== 'string') return taken;
        await this.cancelJob();
        await this.word.job('none');
        if (attempt < FREEZE_ATTEMPTS) continue;
        throw quiesceFailed(`${taken} It was tried ${FREEZE_ATTEMPTS} times.`);
      }
    } catch (error) {
      if (!allowCrashConsistent || !canDoWithout(error)) throw error;
      why = error.message;
      if (this.word.said.job !== 'none') await this.cancelJob();
    }
    signal.throwIfAborted();
    await this.requireSameServer();
    await this.beginFenced(BEGIN_MS);
    return this.begun({ pointInTime: new Date().toISOString(), consistency: 'crash', frozenMs: null, note: `${server.name} was not quiesced: ${why}` });
  }

  /** After a failure: nothing of ours runs, nothing stays frozen. What cannot be made sure of now is left to the guard. */
  async giveUp(): Promise<void> {
    const { quiesce } = this.request;
    try {
      const asked = this.word.said.job === 'asked' ? this.word.said.jobAskedAtMs : null;
      await this.word.job(asked === null ? 'over' : 'given-up');
      if (asked !== null) await this.job.cancel();
      // libvirt may still carry out what it was asked for when it did not answer.
      while (asked !== null && this.unsure && elapsedMs(asked) < LATE_JOB_MS && !(await this.job.cancel())) await delay(1_000);
      if (this.word.said.afterHookOwed) await after(this.agent, quiesce, this.word);
      await this.word.job('over');
    } catch (error) {
      // The guard reads the same word and goes on; what it cannot do, `cancelOnlineBackup` and the janitor do.
      if (!isModosuError(error)) throw error;
    }
  }

  /** With its checkpoint, which would stand in the way of the next try. */
  private async cancelJob(): Promise<void> {
    await this.job.cancel();
    const { checkpoints } = this.prepared.order;
    if (checkpoints === null) return;
    await this.checkpoints.remove(checkpoints.name, markedDisks(this.prepared.order));
    await this.checkpoints.announce(checkpoints.name, markedDisks(this.prepared.order));
  }

  /** A string: the freeze did not hold, and why. */
  private async quiesced(signal: AbortSignal): Promise<OnlineBackupStart | string> {
    const { quiesce, allowCrashConsistent, server } = this.request;
    const notes: string[] = [];
    try {
      const said = await before(this.agent, quiesce, this.word);
      const hookRan = quiesce.before !== null && said === null;
      if (said !== null) {
        const message = `The hook before the freeze of ${server.name} failed: ${said}`;
        if (!allowCrashConsistent) throw quiesceFailed(message, 'Mend the hook in the guest, or take it out of the estate.');
        notes.push(message);
      }
      signal.throwIfAborted();
      await this.requireSameServer();
      if (!(await this.guard.isWatching())) await this.guard.arm();
      const taken = await insideFreeze({ name: server.name, agent: this.agent, word: this.word, files: this.files }, (timeoutMs) =>
        this.beginFenced(timeoutMs),
      );
      const afterwards = await after(this.agent, quiesce, this.word);
      if (!taken.held) {
        const note = taken.note ?? 'The freeze did not hold.';
        if (taken.tooLong) {
          throw quiesceFailed(note, 'Look at the guest agent and at what keeps the guest from thawing, or go on without: --allow-crash-consistent.');
        }
        return note;
      }
      if (afterwards !== null) notes.push(afterwards);
      return await this.begun({
        pointInTime: taken.pointInTime,
        consistency: hookRan ? 'application' : 'filesystem',
        frozenMs: taken.frozenMs,
        note: notes.length === 0 ? null : notes.join(' '),
      });
    } catch (error) {
      if (!(error instanceof FreezeRefused)) throw error;
      if (this.word.said.afterHookOwed) await after(this.agent, quiesce, this.word);
      throw quiesceFailed(`The file systems of ${server.name} could not be frozen: ${error.message}`, error.hint);
    }
  }

  private async requireSameServer(): Promise<void> {
    const { domains, virsh } = this.parts;
    const { server } = this.request;
    const [, stored, live] = await together(new ServerControl(virsh, server).requireRunning(), domains.stored(server), domains.live(server));
    requireUnchanged(this.request, stored, live);
  }

  /** The one irreversible call: the fence is read right before it. */
  private async beginFenced(timeoutMs: number): Promise<void> {
    const { fences } = this.parts;
    const { server, fence } = this.request;
    await fences.require(server, fence);
    await this.word.jobAsked();
    try {
      await this.job.begin(this.prepared.left, this.prepared.order.checkpoints, Math.max(1_000, timeoutMs));
    } catch (error) {
      this.unsure = !isModosuError(error) || !['BACKUP_JOB_FAILED', 'CHECKPOINT_LOST'].includes(error.code);
      const present = await this.job.present().catch(() => null);
      if (!this.unsure && present?.kind === 'foreign') throw foreign(server, present.what, error);
      throw error;
    }
    // The guest is frozen now: the limit must not wait for the thaw, nor the thaw for the limit.
    this.limiting = this.limit();
    this.limiting.catch(() => undefined);
  }

  private async limit(): Promise<void> {
    const rate = this.prepared.order.rateLimitBytesPerSecond;
    if (rate === null) return;
    await this.job.limit(rate);
  }

  private async begun(taken: Omit<Begun, 'since'>): Promise<OnlineBackupStart> {
    const start: Begun = { ...taken, since: this.prepared.order.checkpoints?.since ?? null };
    await this.limiting;
    await this.word.rateLimited();
    await this.files.writeBegun(start);
    await this.word.job('begun');
    return start;
  }
}

/** What only keeps the file systems from being frozen. */
const canDoWithout = (error: unknown): error is ModosuError => isModosuError(error) && ['AGENT_ABSENT', 'AGENT_SILENT', 'QUIESCE_FAILED'].includes(error.code);

const problemOf = (error: unknown): { code: ErrorCode; message: string } => {
  const { code, message } = toModosuError(error);
  return { code, message };
};

const changed = (server: ServerRef, how: string): ModosuError =>
  new ModosuError('DEFINITION_CHANGED', `${server.name} is not as it was when the backup was examined: ${how}.`, { context: { uuid: server.uuid } });

const foreign = (server: ServerRef, what: string, cause?: unknown): ModosuError =>
  new ModosuError('BACKUP_JOB_FOREIGN', `Another program uses ${server.name}: ${what} runs.`, { context: { uuid: server.uuid }, cause });

function requireUnchanged({ server, disks, definitionFingerprint }: OnlineBackupRequest, stored: StoredDefinition, live: StoredDefinition): void {
  const { disks: present, unsupportedDisks } = live.description;
  for (const disk of disks) {
    const now = present.find((candidate) => candidate.target === disk.target);
    if (now === undefined) throw changed(server, `it has no disk ${disk.target} any more`);
    if (now.path !== disk.path) throw changed(server, `disk ${disk.target} is now ${now.path}, not ${disk.path} (an external snapshot?)`);
  }
  const added = [...present.map(({ target }) => target), ...unsupportedDisks].filter((target) => !disks.some((disk) => disk.target === target));
  if (added.length > 0) throw changed(server, `it has got the disk ${added.join(', ')}`);
  if (fingerprint(stored.document) !== definitionFingerprint) throw changed(server, 'its definition was edited');
}
