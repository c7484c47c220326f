import { InitialCatalog1763900000000 } from './1763900000000-initial-catalog';

/** In the order in which they are run. A migration that has been released is never edited; add a new one. */
export const MIGRATIONS = [InitialCatalog1763900000000];
