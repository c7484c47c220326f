import { setTimeout as delay } from 'node:timers/promises';
import type { OnlineBackupStart } from '../../../contracts/activities';
import { isModosuError, ModosuError } from '../../../contracts/errors';
import type { ServerRef } from '../../../contracts/server';
import type { OnlineBackupRequest } from '../../hypervisor';
import { LibvirtGuestAgent } from '../agent';
import { BackupJob } from './backup-job';
import { createTarget, measureTarget, reserve } from './backup-targets';
import type { ImageChain } from '../volumes/disk-images';
import type { Domains, StoredDefinition } from '../domains/domains';
import { fingerprint } from '../domains/domain-xml';
import type { Fences } from '../domains/fence';
import { after, before, FreezeRefused, insideFreeze } from './freeze-window';
import { requireFreezable } from './freezable';
import { GuardProcess } from './guard-process';
import { elapsedMs, GuardFiles, LATE_JOB_MS, type Begun, type Freeze, type GuardOrder } from './guard-state';
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
  readonly targets: readonly { readonly target: string; readonly path: string; readonly targetPath: string; readonly chain: ImageChain }[];
}

/** How often a freeze that did not hold is tried, all in all. */
const FREEZE_ATTEMPTS = 3;
const BEGIN_MS = 30_000;

/** See `Hypervisor.beginOnlineBackup`. */
export class OnlineBackupBeginner {
  constructor(private readonly parts: OnlineBackupParts) {}

  async begin(request: OnlineBackupRequest, signal: AbortSignal): Promise<OnlineBackupStart> {
    const { fences, settings, virsh } = this.parts;
    const { server, fence } = request;
    const files = GuardFiles.of(settings.stateDirectory, fence.runId);
    const guard = new GuardProcess(files, settings.guardCommand);
    signal.throwIfAborted();
    await fences.require(server, fence);

    const adopted = await this.adopt(request, files, guard);
    if (adopted !== null) return adopted;
    const lateFreezes = await this.clear(server, files, guard);
    signal.throwIfAborted();

    const prepared = await this.survey(request);
    signal.throwIfAborted();
    await guard.makeDirectory();
    await files.writeOrder(prepared.order);
    const word = await WorkerWord.takeOver(files, { freezes: lateFreezes, job: 'none', jobAskedAtMs: null, rateLimited: false, afterHookOwed: false });
    const agent = new LibvirtGuestAgent(virsh, server);
    const taking = new Taking(this.parts, request, prepared, files, guard, word, new BackupJob(virsh, server, prepared.order.disks), agent);
    try {
      // Side by side: none needs another, and none asks anything of the server that would have to be taken back.
      const refused = requireFreezable(server, agent, prepared.hasAgentChannel).then(
        () => null,
        (error: unknown) => ({ error }),
      );
      const [, , refusal] = await together(this.prepareTargets(request, prepared), guard.arm(), refused);
      signal.throwIfAborted();
      return await taking.take(refusal, signal);
    } catch (error) {
      await taking.giveUp();
      throw error;
    }
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
      if (!(await guard.isWatching()) && (await job.lastEnd(totalBytes)) !== 'completed') return null;
    }
    await WorkerWord.takeOver(files, { ...word, job: 'begun' });
    if (!known) await guard.arm();
    return begun;
  }

  /** Takes back what an earlier attempt has left. Returns its freezes that may yet be carried out. */
  private async clear(server: ServerRef, files: GuardFiles, guard: GuardProcess): Promise<readonly Freeze[]> {
    const { settings, virsh } = this.parts;
    const left = await takeBack(virsh, server, files, { waitForLateFreezes: false });
    await guard.forget();
    return left.filter((freeze) => !freeze.answered && elapsedMs(freeze.askedAtMs) < settings.lateFreezeMs);
  }

  /** Looks at everything, changes nothing. */
  private async survey(request: OnlineBackupRequest): Promise<Prepared> {
    const { domains, fences, inspector, settings, virsh } = this.parts;
    const { server, fence, limits, quiesce } = request;
    const [state, stored, live, present] = await together(
      new ServerControl(virsh, server).requireRunning(),
      fences.require(server, fence),
      domains.live(server),
      new BackupJob(virsh, server, request.disks).presentOfAnyKind(),
    );
    requireUnchanged(request, stored, live);
    if (present.kind !== 'none') throw foreign(server, present.kind === 'foreign' ? present.what : 'a backup to the same files');

    const targets: Prepared['targets'][number][] = [];
    for (const { target, path, targetPath } of request.disks) {
      const disk = live.description.disks.find((candidate) => candidate.target === target);
      if (disk === undefined) throw changed(server, `it has no disk ${target}`);
      targets.push({ target, path, targetPath, chain: await inspector.chainOf(disk) });
    }
    return {
      left: live.description.removableMedia.map(({ target }) => target),
      hasAgentChannel: live.description.hasAgentChannel,
      domainName: live.description.name,
      targets,
      order: {
        runId: fence.runId,
        server: { uuid: server.uuid, name: server.name },
        connection: settings.connection,
        disks: targets.map(({ target, path, targetPath, chain }) => ({ target, path, targetPath, virtualSizeBytes: chain.virtualSizeBytes })),
        afterHook: quiesce.after === null ? null : [...quiesce.after],
        rateLimitBytesPerSecond: limits.rateLimitBytesPerSecond,
        maxGuestLatencyMs: limits.maxGuestLatencyMs,
        pausedBefore: state === 'storage',
        lateFreezeMs: settings.lateFreezeMs,
      },
    };
  }

  /** Makes the files QEMU will write to, and sees to it that it can, and that they fit. */
  private async prepareTargets({ server }: OnlineBackupRequest, { domainName, targets }: Prepared): Promise<void> {
    const { settings } = this.parts;
    // A session's QEMU runs as we do.
    const isSession = settings.connection.uri === 'qemu:///session';
    const qemu = isSession ? null : await qemuProcessOf(domainName, server.uuid);
    for (const target of targets) {
      await createTarget(target);
      if (!isSession) await requireReachable(server, qemu, target.targetPath);
    }
    if (!settings.reserve) return;
    const needs: { targetPath: string; neededBytes: number }[] = [];
    for (const target of targets) needs.push({ targetPath: target.targetPath, neededBytes: await measureTarget(target) });
    await reserve(needs);
  }
}

/** One call's way to a job that has begun, with the guard watching. */
class Taking {
  /** libvirt did not answer when it was asked to begin. */
  private unsure = false;
  private limiting: Promise<void> = Promise.resolve();

  constructor(
    private readonly parts: OnlineBackupParts,
    private readonly request: OnlineBackupRequest,
    private readonly prepared: Prepared,
    private readonly files: GuardFiles,
    private readonly guard: GuardProcess,
    private readonly word: WorkerWord,
    private readonly job: BackupJob,
    private readonly agent: LibvirtGuestAgent,
  ) {}

  /** `refusal`: what `requireFreezable` has thrown. */
  async take(refusal: { readonly error: unknown } | null, signal: AbortSignal): Promise<OnlineBackupStart> {
    const { server, allowCrashConsistent } = this.request;
    let why: string;
    try {
      if (refusal !== null) throw refusal.error;
      for (let attempt = 1; ; attempt += 1) {
        const taken = await this.quiesced(signal);
        if (typeof taken !== 'string') return taken;
        await this.job.cancel();
        await this.word.job('none');
        if (attempt < FREEZE_ATTEMPTS) continue;
        throw quiesceFailed(`${taken} It was tried ${FREEZE_ATTEMPTS} times.`);
      }
    } catch (error) {
      if (!allowCrashConsistent || !isModosuError(error) || !['AGENT_ABSENT', 'AGENT_SILENT', 'QUIESCE_FAILED'].includes(error.code)) throw error;
      why = error.message;
      if (this.word.said.job !== 'none') await this.job.cancel();
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
      await this.job.begin(this.prepared.left, Math.max(1_000, timeoutMs));
    } catch (error) {
      this.unsure = !isModosuError(error) || error.code !== 'BACKUP_JOB_FAILED';
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

  private async begun(start: Begun): Promise<OnlineBackupStart> {
    await this.limiting;
    await this.word.rateLimited();
    await this.files.writeBegun(start);
    await this.word.job('begun');
    return start;
  }
}

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
