import type { Catalog } from '../../catalog/catalog';
import type { CatalogCopyPlace } from '../../contracts/catalog-copy';
import { withinDeadline } from '../../contracts/deadline';
import { ModosuError } from '../../contracts/errors';
import { offsiteNotConfigured, repositoryNotConfigured } from '../../contracts/not-declared';
import { offsiteLocation } from '../../contracts/offsite';
import type { CatalogueArchive } from '../../repositories/catalogue/catalogue-archive';
import { besideOffsite, hasImageRepository, inImageRepository } from '../../repositories/catalogue/catalogue-ground';
import { createResticCatalogueArchive } from '../../repositories/catalogue/restic-catalogue-archive';
import { isOffsiteThere, OffsitePlace, offsiteSecret, type OffsitePlaceOptions } from '../../repositories/offsite/offsite-place';
import { ResticCommand } from '../../repositories/restic/restic-command';
import type { Secrets } from '../../secrets/secrets';
import { RECOVERY_KEY } from './copy';

/** Storage that is away may hang whoever looks at it. */
const REACHABLE_WITHIN_MS = 20_000;

/** Where the catalogue is copied: what the estate declares, as the catalogue knows it now. */
export interface CataloguePlaces {
  readonly all: () => Promise<readonly CatalogCopyPlace[]>;
  /** Those that are there, seen from this machine. A medium that is away, or was never used, is not. */
  readonly reachable: (kind: CatalogCopyPlace['kind']) => Promise<readonly CatalogCopyPlace[]>;
  /** Throws `REPOSITORY_NOT_CONFIGURED`, `OFFSITE_NOT_CONFIGURED`, and `CONFIG_INVALID` for credentials that cannot be read. */
  readonly archive: (place: CatalogCopyPlace) => Promise<CatalogueArchive>;
}

export function cataloguePlaces(catalog: Pick<Catalog, 'listRepositories' | 'listOffsite'>, secrets: Secrets): CataloguePlaces {
  const declared = async (kind: CatalogCopyPlace['kind']): Promise<readonly CatalogCopyPlace[]> =>
    (kind === 'image' ? await catalog.listRepositories() : await catalog.listOffsite()).map(({ name }) => ({ kind, name }));
  const imagePath = async (name: string): Promise<string> => {
    const repository = (await catalog.listRepositories()).find((one) => one.name === name);
    if (repository === undefined) throw repositoryNotConfigured(name);
    return repository.path;
  };
  const offsiteAt = async (name: string): Promise<OffsitePlaceOptions> => {
    const offsite = (await catalog.listOffsite()).find((one) => one.name === name);
    if (offsite === undefined) throw offsiteNotConfigured(name);
    return { name, media: offsite.media, location: offsiteLocation(offsite.location), secrets };
  };
  const isThere = async ({ kind, name }: CatalogCopyPlace): Promise<boolean> =>
    kind === 'image' ? hasImageRepository(await imagePath(name)) : isOffsiteThere(await offsiteAt(name));
  const looks = new Map<string, Promise<boolean>>();
  /** A look that hangs is not begun a second time: each one keeps a thread of all that reads and writes files here. */
  const look = (place: CatalogCopyPlace): Promise<boolean> => {
    const key = `${place.kind} ${place.name}`;
    const pending = looks.get(key);
    if (pending !== undefined) return pending;
    const begun = isThere(place)
      .catch(() => false)
      .finally(() => looks.delete(key));
    looks.set(key, begun);
    return begun;
  };
  const isThereInTime = (place: CatalogCopyPlace): Promise<boolean> =>
    withinDeadline(look(place), REACHABLE_WITHIN_MS, () => new ModosuError('REPOSITORY_UNREACHABLE', `${place.name} does not answer.`)).catch(() => false);
  return {
    all: async () => [...(await declared('image')), ...(await declared('offsite'))],
    reachable: async (kind) => {
      const there: CatalogCopyPlace[] = [];
      for (const place of await declared(kind)) if (await isThereInTime(place)) there.push(place);
      return there;
    },
    archive: async ({ kind, name }) => {
      const recoveryKey = await secrets.getOrMake(RECOVERY_KEY);
      if (kind === 'image') return createResticCatalogueArchive({ ground: inImageRepository(await imagePath(name)), recoveryKey });
      const secret = offsiteSecret(name, 'environment');
      const environment = { text: await secrets.read(secret), file: secrets.fileOf(secret) };
      const offsite = await offsiteAt(name);
      const place = new OffsitePlace(offsite, new ResticCommand('restic'));
      const requireSame = async (): Promise<void> => void (await place.open());
      return createResticCatalogueArchive({ ground: besideOffsite({ location: offsite.location, environment, requireSame }), recoveryKey });
    },
  };
}
