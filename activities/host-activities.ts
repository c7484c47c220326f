import type { BackupSubject, HostActivities, PlanSource, PublishedRecoveryPoint, PublishRequest, UndoSource } from '../src/contracts/activities';
import { ModosuError, isModosuError } from '../src/contracts/errors';
import type { RestorePlanBody, RestoreSurvey, UndoSurvey } from '../src/contracts/plan';
import type { ImageManifest } from '../src/contracts/recovery-point';
import type { Fence, ServerInspection, ServerRef } from '../src/contracts/server';
import type { BackupImageInput, RestoreServerInput, RunInput } from '../src/contracts/workflows';
import type { Hypervisor } from '../src/hypervisors/hypervisor';
import type { ActivityDependencies } from './dependencies';
import { whileAlive } from './heartbeat';

export const fenceOf = (input: Pick<RunInput, 'runId' | 'fencingToken'>): Fence => ({ runId: input.runId, token: input.fencingToken });
export const serverRef = (input: Pick<RunInput, 'uuid' | 'serverName'>): ServerRef => ({ uuid: input.uuid, name: input.serverName });

/** Calls to one hypervisor and its image repositories that change no server; see `HostActivities`. */
export class HostCalls implements HostActivities {
  constructor(private readonly deps: ActivityDependencies) {}

  examineForBackup(input: BackupImageInput): Promise<BackupSubject> {
    return whileAlive(async () => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      const inspection = await hypervisor.inspect(serverRef(input));
      refuseUnsuitable(inspection, input.serverName);
      const mode = input.mode === 'online' && inspection.powerState === 'running' ? 'online' : 'offline';
      if (mode === 'online' && !input.allowCrashConsistent) refuseUnfreezable(inspection, input.serverName);
      return {
        mode,
        domainName: inspection.domainName,
        powerState: inspection.powerState,
        agent: inspection.agent.state,
        disks: inspection.disks.map(({ target, path, format, backingChain, allocatedBytes }) => ({ target, path, format, flattened: backingChain.length > 0, allocatedBytes })),
        neededBytes: inspection.disks.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, inspection.nvram?.sizeBytes ?? 0),
        definitionFingerprint: inspection.definitionFingerprint,
        hasNvram: inspection.nvram !== null,
      };
    });
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
      await this.requireSameDefinition(hypervisor, input, subject);
      await hypervisor.exportDefinition(serverRef(input), staged.definitionPath);
      if (subject.hasNvram) await hypervisor.exportNvram(serverRef(input), staged.nvramPath);
    });
  }

  publish(request: PublishRequest): Promise<PublishedRecoveryPoint> {
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
          parentId: null,
          runId: input.runId,
          reason: input.reason,
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

  recordRecoveryPoint(published: PublishedRecoveryPoint): Promise<void> {
    return whileAlive(async () => {
      const repository = await this.deps.imageRepository(published.repository);
      const { manifest } = await repository.open(published.serverId, published.recoveryPointId);
      await this.deps.catalog.recordRecoveryPoint(manifest, published.repository);
    });
  }

  surveyRestore(source: Pick<PlanSource, 'serverId' | 'serverName' | 'uuid' | 'hypervisor' | 'repository' | 'recoveryPointId' | 'runId' | 'keepDisks'>): Promise<RestoreSurvey> {
    return whileAlive(async () => {
      const hypervisor = await this.deps.hypervisor(source.hypervisor);
      const repository = await this.deps.imageRepository(source.repository);
      const { manifest, manifestSha256 } = await repository.open(source.serverId, source.recoveryPointId);
      const present = await inspectIfPresent(hypervisor, serverRef(source));
      const restored = { ...manifest, disks: manifest.disks.filter(({ target }) => source.keepDisks?.includes(target) !== true) };
      const targets = await hypervisor.restoreTargets({ manifest: restored, present, runId: source.runId });
      return { present, manifest, manifestSha256, targets };
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

  /** A definition edited during the copy would describe other disks than those that were copied. */
  private async requireSameDefinition(hypervisor: Hypervisor, input: RunInput, subject: BackupSubject): Promise<void> {
    const { definitionFingerprint } = await hypervisor.inspect(serverRef(input));
    if (definitionFingerprint !== subject.definitionFingerprint) {
      throw new ModosuError('DEFINITION_CHANGED', `The definition of ${input.serverName} was changed while its disks were copied.`);
    }
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

function refuseUnsuitable(inspection: ServerInspection, name: string): void {
  const [first] = inspection.refusals;
  if (first) {
    throw new ModosuError(first.code, first.message, { hint: first.hint, context: { ...first.context, allRefusals: inspection.refusals.map(({ code }) => code) } });
  }
  if (inspection.powerState === 'paused') throw new ModosuError('SERVER_PAUSED', `${name} is paused: its guest can neither be shut down nor frozen.`);
}

const WITHOUT_FREEZE = 'Or go on without: --allow-crash-consistent labels the recovery point "crash".';

/** Said before anything is done: an online backup freezes the file systems through the agent. */
function refuseUnfreezable({ agent }: ServerInspection, name: string): void {
  if (agent.state === 'absent') {
    const { hint } = new ModosuError('AGENT_ABSENT', '');
    throw new ModosuError('AGENT_ABSENT', `${name} has no channel for a guest agent: its file systems cannot be frozen for an online backup.`, { hint: `${hint} ${WITHOUT_FREEZE}` });
  }
  if (agent.state === 'silent') {
    throw new ModosuError('QUIESCE_FAILED', `The guest agent of ${name} does not answer: its file systems cannot be frozen for an online backup.`, { hint: `Start qemu-guest-agent in the guest. ${WITHOUT_FREEZE}` });
  }
  if (!agent.commands.includes('guest-fsfreeze-freeze')) {
    throw new ModosuError('GUEST_COMMAND_FORBIDDEN', `The guest agent of ${name} forbids guest-fsfreeze-freeze.`, { hint: `Allow it in the agent's configuration. ${WITHOUT_FREEZE}` });
  }
}

export const storedBytes = (manifest: ImageManifest): number =>
  manifest.disks.reduce((sum, { image }) => sum + image.sizeBytes, manifest.definition.sizeBytes + (manifest.nvram?.sizeBytes ?? 0));
