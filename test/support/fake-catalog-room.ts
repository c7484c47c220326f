import type { Catalog } from '../../src/catalog/catalog';
import { ROOM_EVERY_MS, ROOM_SINCE_MS } from '../../src/catalog/room-store';
import type { FakeGround } from './fake-catalog-ground';

/** How much room repositories have had, in memory. */
export class FakeRoom {
  private readonly samples: { readonly repository: string; readonly at: Date; readonly freeBytes: number }[] = [];

  constructor(
    private readonly ground: FakeGround,
    private readonly isRepository: (name: string) => boolean,
  ) {}

  record: Catalog['recordRepositoryRoom'] = async (repository, freeBytes) => {
    this.ground.reach();
    const since = this.ground.now().getTime() - ROOM_EVERY_MS;
    const isFresh = this.samples.some((sample) => sample.repository === repository && sample.at.getTime() > since);
    if (this.isRepository(repository) && !isFresh) this.samples.push({ repository, at: this.ground.now(), freeBytes });
  };

  list: Catalog['repositoryRoom'] = async () => {
    const since = this.ground.now().getTime() - ROOM_SINCE_MS;
    const inOrder = (a: { readonly repository: string; readonly at: Date }, b: { readonly repository: string; readonly at: Date }): number =>
      a.repository === b.repository ? a.at.getTime() - b.at.getTime() : a.repository < b.repository ? -1 : 1;
    return this.samples.filter(({ at }) => at.getTime() > since).sort(inOrder);
  };
}
