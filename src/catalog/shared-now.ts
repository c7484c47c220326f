import type { EntityManager } from 'typeorm';

/** The time by one clock for all processes, where their own clocks would quarrel. */
export type SharedNow = (manager: EntityManager) => Promise<Date>;

/** By PostgreSQL's. */
export const databaseNow: SharedNow = async (manager) => {
  const [row] = (await manager.query('SELECT clock_timestamp() AS now')) as readonly { readonly now: Date }[];
  if (row === undefined) throw new Error('PostgreSQL told no time');
  return row.now;
};
