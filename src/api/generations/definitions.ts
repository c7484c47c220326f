import type { ServerRecord } from '../../catalog/catalog';
import type { DefinitionDiff, DescribedDefinition, GenerationDefinition, NotReadDefinition } from '../../contracts/definition';
import { ModosuError, toModosuError } from '../../contracts/errors';
import { hypervisorNotConfigured, repositoryNotConfigured } from '../../contracts/not-declared';
import type { GenerationView } from '../../contracts/generation';
import { cleanWords } from '../../contracts/text';
import { diffDefinitions } from '../../domain/generations/definition-diff';
import { PART_TIMEOUT_MS, type ApiDependencies } from '../dependencies';
import { Turns } from './turns';

/**
 * Definitions of generations, read from where they lie. A repository may be gone, hang, or have let go of a recovery point: that is said in the answer, which
 * has everything else all the same.
 */
export class Definitions {
  private readonly turns = new Turns();

  constructor(private readonly dependencies: ApiDependencies) {}

  /** @param whole with all of it, not only what hardware it describes */
  async show(server: ServerRecord, generation: GenerationView, whole: boolean): Promise<GenerationDefinition> {
    const read = await this.read(server, generation);
    if (isNotRead(read)) return read;
    return { state: 'read', summary: read.summary, ...(whole ? { xml: read.lines.join('\n') } : {}) };
  }

  async compare(server: ServerRecord, before: GenerationView, after: GenerationView): Promise<DefinitionDiff> {
    const then = this.read(server, before);
    const [one, other] = await Promise.all([then, before.recoveryPointId === after.recoveryPointId ? then : this.read(server, after)]);
    if (!isNotRead(one) && !isNotRead(other)) return diffDefinitions(one, other);
    const notRead = [...new Map([[before.generation, one] as const, [after.generation, other] as const])].flatMap(([generation, read]) =>
      isNotRead(read) ? [{ generation, code: read.code, why: read.why }] : [],
    );
    return { state: 'not-compared', notRead };
  }

  private async read(server: ServerRecord, { recoveryPointId, state }: GenerationView): Promise<DescribedDefinition | NotReadDefinition> {
    try {
      if (state === 'deleted') throw new ModosuError('RECOVERY_POINT_NOT_FOUND', `Recovery point ${recoveryPointId} was deleted.`);
      return await this.describe(server, await this.stored(server, recoveryPointId));
    } catch (thrown) {
      const error = toModosuError(thrown);
      if (error.code !== 'INTERNAL') return { state: 'not-read', code: error.code, why: cleanWords(error.message) };
      this.dependencies.log.error({ serverId: server.id, recoveryPointId, error: String(thrown) }, 'a definition was not read because of a fault');
      return { state: 'not-read', code: 'INTERNAL', why: 'It was not read because of a fault in Modosu.' };
    }
  }

  /** Answers in time, whatever the storage does. */
  private async stored(server: ServerRecord, recoveryPointId: string): Promise<string> {
    const { catalog, repository, config } = this.dependencies;
    const point = await catalog.getRecoveryPoint(recoveryPointId);
    const name = point.kind === 'image' ? point.repository : server.repository;
    const declaration = (await catalog.listRepositories()).find((one) => one.name === name);
    if (declaration === undefined) throw repositoryNotConfigured(name);
    const late = (): ModosuError => new ModosuError('REPOSITORY_UNREACHABLE', `The repository ${name} does not answer in time.`);
    return this.turns.take(
      `${name}\n${declaration.path}`,
      () => repository(declaration).readDefinition(server.id, recoveryPointId),
      config.partTimeoutMs ?? PART_TIMEOUT_MS,
      late,
    );
  }

  /** Only what wrote a definition can read it: the kind of hypervisor that the server is on. */
  private async describe(server: ServerRecord, definition: string): Promise<DescribedDefinition> {
    const { catalog, hypervisor } = this.dependencies;
    const declaration = (await catalog.listHypervisors()).find(({ name }) => name === server.hypervisor);
    if (declaration === undefined) throw hypervisorNotConfigured(server.hypervisor);
    const described = hypervisor(declaration).describeDefinition(definition);
    if (described === 'unreadable') throw new ModosuError('DEFINITION_NOT_SHOWN', 'It cannot be read as a definition.');
    if (described === 'too-large') throw new ModosuError('DEFINITION_NOT_SHOWN', 'It is larger than any that is shown.');
    return described;
  }
}

const isNotRead = (read: DescribedDefinition | NotReadDefinition): read is NotReadDefinition => 'state' in read;
