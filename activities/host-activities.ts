import type {
  BackupSubject,
  EndedSurvey,
  HostActivities,
  ImageBasis,
  ParentCandidates,
  PublishedImage,
  PublishRequest,
} from '../src/contracts/activities/images';
import type { PlanSource, UndoSource } from '../src/contracts/activities/planning';
import { factsState, type CollectedFacts } from '../src/contracts/generation';
import { ModosuError, isModosuError, type ErrorSummary } from '../src/contracts/errors';
import type { FactsNow, RestorePlanBody, RestoreSurvey, UndoSurvey } from '../src/contracts/plan';
import { occasionOf } from '../src/contracts/reading';
import type { ImageManifest } from '../src/contracts/recovery-point';
import type { ServerInspection, ServerRef } from '../src/contracts/server';
import type { BackupImageInput, RestoreServerInput, RunInput } from '../src/contracts/workflows';
import { backupSubject, requireSameDefinition, storedBytes, volumeBytes } from '../src/domain/planning/backup-rules';
import { withinRoom } from '../src/domain/relations/captured';
import { driftFromNow, notComparable } from '../src/domain/planning/drift';
import { chooseImageBasis, type KnownParent } from '../src/domain/planning/image-basis';
import { collectFacts } from '../src/guests/facts/collect-facts';
import type { Hypervisor } from '../src/hypervisors/hypervisor';
import type { ChainImage } from '../src/repositories/image/image-repository';
import type { ActivityDependencies } from './dependencies';
import { whileAlive } from './heartbeat';
import { attempt } from './log-fields';
import { requireRecorded } from './recorded-manifest';
import { fenceOf, guestOf, serverRef } from './server-of-run';

/** Calls to one hypervisor and its image repositories that change no server; see `HostActivities`. */
export class HostCalls implements HostActivities {
  constructor(private readonly deps: ActivityDependencies) {}

  examineForBackup(input: BackupImageInput): Promise<BackupSubject> {
    return whileAlive(async () => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      const { credentials = [] } = (await this.deps.catalog.getServer(input.serverId)).protection;
      return { ...backupSubject(await hypervisor.inspect(serverRef(input)), input), ...(credentials.length === 0 ? {} : { credentials }) };
    });
  }

  chooseBasis(input: BackupImageInput, subject: BackupSubject, { recoveryPointIds: candidates }: ParentCandidates): Promise<ImageBasis> {
    const { maxIncrements = 0, full = false } = input;
    return whileAlive(async () => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      const survey = await doubted(hypervisor.findCheckpoints(serverRef(input), candidates), ({ message: problem }) => ({
        able: [],
        virtualSizeBytes: {},
        found: null,
        problem,
      }));
      const isWanted = maxIncrements > 0 && !full;
      const parent = survey.found === null || !isWanted ? null : await this.knownParent(input, survey.found.name);
      return chooseImageBasis({ subject, maxIncrements, full, candidates, survey, parent });
    });
  }

  /** The recovery point as its repository holds it, or why it cannot be continued. */
  private async knownParent(input: BackupImageInput, recoveryPointId: string): Promise<KnownParent | ErrorSummary> {
    const repository = await this.deps.imageRepository(input.repository);
    return doubted(
      repository.open(input.serverId, recoveryPointId).then(({ manifest, imagesOf, backingName }) => ({
        recoveryPointId,
        chainLength: Math.max(...manifest.disks.map(({ target }) => imagesOf(target).length)),
        disks: manifest.disks.map(({ target, virtualSizeBytes }) => ({ target, virtualSizeBytes, backingName: backingName(target) })),
      })),
      (error) => error,
    );
  }

  reserveRoom(input: BackupImageInput, neededBytes: number): Promise<void> {
    return whileAlive(async () => {
      const repository = await this.deps.imageRepository(input.repository);
      await repository.requireSpace(neededBytes);
      await repository.stage(input.recoveryPointId);
    });
  }

  discardStaged(input: BackupImageInput): Promise<void> {
    return whileAlive(async () => (await this.deps.imageRepository(input.repository)).discardStaged(input.recoveryPointId));
  }

  saveDefinition(input: BackupImageInput, subject: BackupSubject): Promise<void> {
    return whileAlive(async () => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      const staged = await (await this.deps.imageRepository(input.repository)).stage(input.recoveryPointId);
      requireSameDefinition(subject, await hypervisor.inspect(serverRef(input)), input.serverName);
      await hypervisor.exportDefinition(serverRef(input), staged.definitionPath);
      if (subject.hasNvram) await hypervisor.exportNvram(serverRef(input), staged.nvramPath);
    });
  }

  collectFacts(input: BackupImageInput): Promise<CollectedFacts> {
    return whileAlive(async (signal) => {
      const repository = await this.deps.imageRepository(input.repository);
      const agent = await guestOf(this.deps, input);
      const { configurationPaths = [] } = (await this.deps.catalog.getServer(input.serverId)).protection;
      const facts = await collectFacts(agent, { configurationPaths, signal, now: () => new Date() });
      await repository.stageFacts(input.recoveryPointId, facts);
      return factsState(facts);
    });
  }

  publish(request: PublishRequest): Promise<PublishedImage> {
    const { input, subject, copied } = request;
    return whileAlive(async () => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      const repository = await this.deps.imageRepository(input.repository);
      await hypervisor.requireFence(serverRef(input), fenceOf(input));
      const inspection = await hypervisor.inspect(serverRef(input));
      if (subject.hasNvram && inspection.nvram === null) {
        throw new ModosuError('DEFINITION_CHANGED', `${input.serverName} had firmware variables when its backup began and has none now.`);
      }
      const manifest = await repository.publish(
        {
          recoveryPointId: input.recoveryPointId,
          server: { id: input.serverId, name: input.serverName, uuid: input.uuid },
          generation: request.generation,
          lineageId: request.lineageId,
          parentId: request.parentId ?? null,
          runId: input.runId,
          ...(input.set === undefined ? {} : { setId: input.set.id }),
          reason: input.reason,
          ...(request.changes === undefined ? {} : { changes: request.changes, ...(await this.markersOf(input)) }),
          ...(request.changes === undefined || request.credentials === undefined ? {} : { credentials: request.credentials }),
          consistency: request.consistency,
          pointInTime: request.pointInTime,
          disks: copied,
          definitionFingerprint: subject.definitionFingerprint,
          nvramOrigin: inspection.nvram !== null && subject.hasNvram ? { path: inspection.nvram.path, format: inspection.nvram.format } : null,
          removableMedia: inspection.removableMedia,
          nics: inspection.nics.map(({ mac, type, source }) => ({ mac, type, source })),
          generationId: inspection.generationId,
          firmware: inspection.firmware,
          domainType: inspection.domainType,
          powerStateBefore: subject.powerState,
          agentBefore: subject.agent,
          software: { modosu: this.deps.version },
        },
        new Date(),
      );
      return { recoveryPointId: manifest.recoveryPointId, serverId: manifest.server.id, repository: input.repository, sizeBytes: storedBytes(manifest) };
    });
  }

  /** What was read for this run; nothing where nobody was asked. */
  private async markersOf({ runId }: BackupImageInput): Promise<Pick<ImageManifest, 'markers'>> {
    const markers = withinRoom(await this.deps.catalog.readingsOf(occasionOf(runId, 'capture')));
    return markers.length === 0 ? {} : { markers };
  }

  recordRecoveryPoint(published: PublishedImage): Promise<void> {
    return whileAlive(async () => {
      const repository = await this.deps.imageRepository(published.repository);
      const { manifest, manifestSha256 } = await repository.open(published.serverId, published.recoveryPointId);
      const facts = await repository.readFacts(published.serverId, published.recoveryPointId);
      await this.deps.catalog.recordRecoveryPoint(manifest, published.repository, manifestSha256, facts);
    });
  }

  surveyRestore(
    source: Pick<PlanSource, 'serverId' | 'serverName' | 'uuid' | 'hypervisor' | 'repository' | 'recoveryPointId' | 'runId' | 'keepDisks'>,
  ): Promise<RestoreSurvey> {
    return whileAlive(async () => {
      const hypervisor = await this.deps.hypervisor(source.hypervisor);
      const repository = await this.deps.imageRepository(source.repository);
      const { manifest, manifestSha256, imagesOf } = await repository.open(source.serverId, source.recoveryPointId);
      await requireRecorded(this.deps, source.recoveryPointId, manifestSha256);
      const present = await inspectIfPresent(hypervisor, serverRef(source));
      const restored = { ...manifest, disks: manifest.disks.filter(({ target }) => source.keepDisks?.includes(target) !== true) };
      const images = restored.disks.map(({ target, virtualSizeBytes }) => ({ target, virtualSizeBytes, files: imagesOf(target) }));
      const neededBytes = Object.fromEntries(images.map(({ target, virtualSizeBytes, files }) => [target, volumeBytes(virtualSizeBytes, bytesOf(files))]));
      const targets = await hypervisor.restoreTargets({ manifest: restored, present, runId: source.runId, neededBytes });
      const reads = {
        recoveryPoints: new Set(images.flatMap(({ files }) => files.map(({ recoveryPointId }) => recoveryPointId))).size,
        bytes: images.reduce((sum, { files }) => sum + bytesOf(files), 0),
      };
      return { present, manifest, manifestSha256, targets, reads };
    });
  }

  surveyUndo(source: Pick<UndoSource, 'serverName' | 'uuid' | 'hypervisor'>, ofRunId: string): Promise<UndoSurvey> {
    return whileAlive(async () => {
      const hypervisor = await this.deps.hypervisor(source.hypervisor);
      const server = serverRef(source);
      const present = await inspectIfPresent(hypervisor, server);
      return { present, wayBack: await hypervisor.keptBy(server, ofRunId), writtenBytes: present === null ? {} : await hypervisor.writtenBytes(server) };
    });
  }

  surveyEnded(input: RunInput): Promise<EndedSurvey> {
    return whileAlive(async () => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      const server = serverRef(input);
      return { files: await unlessUntold(hypervisor.namedFiles(server)), stop: await unlessUntold(hypervisor.stopBy(server, input.runId)) };
    });
  }

  compareFacts(source: Pick<PlanSource, 'serverId' | 'serverName' | 'uuid' | 'hypervisor' | 'recoveryPointId'>): Promise<FactsNow> {
    return whileAlive(async (signal) => {
      const { catalog } = this.deps;
      const point = await catalog.getRecoveryPoint(source.recoveryPointId);
      if (point.kind !== 'image') throw new ModosuError('RECOVERY_POINT_NOT_USABLE', `Recovery point ${point.id} is none of an image.`);
      const of = await catalog.getGeneration(source.serverId, point.generation);
      const hypervisor = await this.deps.hypervisor(source.hypervisor);
      const reason = notComparable(of, await inspectIfPresent(hypervisor, serverRef(source)));
      if (reason !== null) return reason;
      const { configurationPaths = [] } = (await catalog.getServer(source.serverId)).protection;
      const agent = await guestOf(this.deps, source);
      return driftFromNow(of, await collectFacts(agent, { configurationPaths, signal, now: () => new Date(), totalMs: FACTS_NOW_MS }));
    });
  }

  discardVolumes(input: RestoreServerInput, plan: RestorePlanBody): Promise<void> {
    return whileAlive(async () => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      const paths = plan.volumes.map(({ newPath }) => newPath);
      if (plan.nvramNewPath !== null) paths.push(plan.nvramNewPath);
      await hypervisor.discardVolumes({ runId: input.runId, paths });
    });
  }

  restoreNvram(input: RestoreServerInput, plan: RestorePlanBody): Promise<void> {
    return whileAlive(async () => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      const repository = await this.deps.imageRepository(plan.recoveryPoint.repository);
      await repository.verifySmallFiles(input.serverId, plan.recoveryPoint.id);
      const { nvramPath } = await repository.open(input.serverId, plan.recoveryPoint.id);
      if (nvramPath === null || plan.nvramNewPath === null) {
        throw new ModosuError('RECOVERY_POINT_INCOMPLETE', `Recovery point ${plan.recoveryPoint.id} holds no firmware variables, but the plan has them.`);
      }
      const present = await inspectIfPresent(hypervisor, serverRef(input));
      await hypervisor.importNvram({ sourcePath: nvramPath, newPath: plan.nvramNewPath, replacesPath: present?.nvram?.path ?? null, runId: input.runId });
    });
  }
}

/** A person waits for the plan. Less than the workflow gives the whole comparison: what was told until then is worth comparing. */
const FACTS_NOW_MS = 45_000;
/** What storage does not give back about an ended run has had some seconds then. */
const SURVEY_ATTEMPTS = 4;

const bytesOf = (files: readonly ChainImage[]): number => files.reduce((sum, { image }) => sum + image.sizeBytes, 0);

/** What will not pass by itself is no reason to fail: `instead` is given what it says. */
async function doubted<T, U>(work: Promise<T>, instead: (error: ErrorSummary) => U): Promise<T | U> {
  try {
    return await work;
  } catch (thrown) {
    if (!isModosuError(thrown) || thrown.retry === 'later' || thrown.code === 'SERVER_GONE') throw thrown;
    return instead(thrown.summary());
  }
}

/**
 * Null for what cannot be told: a server must not stay off for it. A host that is away is waited for: without it nothing can be put back. Storage that answers with
 * an error is asked some more times.
 */
async function unlessUntold<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (thrown) {
    const mayPass = isModosuError(thrown) ? thrown.retry === 'later' : (attempt().attempt ?? 1) < SURVEY_ATTEMPTS;
    if (mayPass) throw thrown;
    return null;
  }
}

async function inspectIfPresent(hypervisor: Hypervisor, server: ServerRef): Promise<ServerInspection | null> {
  try {
    return await hypervisor.inspect(server);
  } catch (thrown) {
    if (isModosuError(thrown) && thrown.code === 'SERVER_GONE') return null;
    throw thrown;
  }
}
