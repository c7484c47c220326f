import { Injectable } from '@nestjs/common';
import type { Actor } from '../../catalog/catalog';
import type { Estate, EstateChange } from '../../contracts/estate';
import { ModosuError } from '../../contracts/errors';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { etagOf, matches } from '../http/etag';
import { requireRelations } from '../profiles/require-relations';
import { resolveServers } from './resolve-servers';

export interface EstateAnswer {
  readonly changes: readonly EstateChange[];
  /** Stands for the estate in the catalogue: before a difference, after an application. */
  readonly etag: string;
}

@Injectable()
export class EstateService {
  /** Applications follow one another, so that nothing comes between the look at the present estate and its change. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  async diff(estate: Estate, prune: boolean): Promise<EstateAnswer> {
    const etag = await this.presentEtag();
    await requireRelations(estate.relations, this.dependencies.profiles);
    const resolved = await resolveServers(this.dependencies, estate);
    return { changes: await this.dependencies.catalog.diffEstate(estate, resolved, { prune }), etag };
  }

  async apply(actor: Actor, estate: Estate, prune: boolean, ifMatch: string | null): Promise<EstateAnswer> {
    const mine = this.turn.then(() => this.applyNow(actor, estate, prune, ifMatch));
    this.turn = mine.catch(() => undefined);
    return mine;
  }

  private async applyNow(actor: Actor, estate: Estate, prune: boolean, ifMatch: string | null): Promise<EstateAnswer> {
    const { catalog, repository, profiles } = this.dependencies;
    if (ifMatch !== null && !matches(ifMatch, await this.presentEtag())) {
      throw new ModosuError('IF_MATCH_FAILED', 'The estate has changed since its difference was shown; nothing was applied.', {
        hint: 'Look at the difference again: `modosu apply -f FILE --dry-run`.',
      });
    }
    await requireRelations(estate.relations, profiles);
    const resolved = await resolveServers(this.dependencies, estate);
    const changes = await catalog.diffEstate(estate, resolved, { prune });
    // Only new places are prepared: the directory of a known repository that is empty now is a missing mount, not a new repository.
    for (const declaration of estate.repositories) {
      const change = changes.find(({ subject, name }) => subject === 'repository' && name === declaration.name);
      if (change?.change === 'create' || change?.change === 'update') await repository(declaration).initialise();
    }
    const applied = await catalog.applyEstate(actor, estate, resolved, { prune });
    return { changes: applied, etag: await this.presentEtag() };
  }

  private async presentEtag(): Promise<string> {
    const { catalog } = this.dependencies;
    const [hypervisors, repositories, offsite, policies, servers, groups, relations] = await Promise.all([
      catalog.listHypervisors(),
      catalog.listRepositories(),
      catalog.listOffsite(),
      catalog.listPolicies(),
      catalog.listServers(),
      catalog.listGroups(),
      catalog.listRelations(),
    ]);
    // A restore moves a server to a new lineage; that is no change of the estate.
    const declared = servers.map(({ lineageId: _, ...server }) => server);
    const byName = (a: { readonly name: string }, b: { readonly name: string }): number => (a.name < b.name ? -1 : 1);
    const sorted = <T extends { readonly name: string }>(items: readonly T[]): readonly T[] => [...items].sort(byName);
    // Every part of an estate: what is left out here could be deleted unseen, with `prune`.
    const present = {
      hypervisors: sorted(hypervisors),
      repositories: sorted(repositories),
      offsite: sorted(offsite),
      policies: sorted(policies),
      servers: sorted(declared),
      groups: sorted(groups),
      relations: sorted(relations),
    } satisfies Readonly<Record<keyof Estate, unknown>>;
    return etagOf(present);
  }
}
