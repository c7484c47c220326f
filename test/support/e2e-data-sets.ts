import type { FilesDataSet, PostgresqlDataSet } from '../../src/contracts/data';

/** What the guest `postgresql` has that is worth saving, for specs that save it through a whole installation. */

/** Files on its second disk. */
export const UPLOADS: FilesDataSet = { kind: 'files', name: 'uploads', paths: ['/data/uploads'], excludes: [], before: null, after: null };

/** The database that its image comes with; dumps lie on the second disk. */
export const SHOP: PostgresqlDataSet = {
  kind: 'postgresql',
  name: 'shop',
  databases: ['shop'],
  user: 'postgres',
  osUser: 'postgres',
  socketDirectory: '/run/postgresql',
  port: 5432,
  spoolDirectory: '/data/spool',
  before: null,
  after: null,
};
