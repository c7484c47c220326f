import { COPIED_TABLES, TABLES_LEFT_OUT } from './copied-tables';
import { MIGRATIONS_TABLE } from './data-source';
import { ENTITIES } from './entities';

describe('tables of a copy of the catalogue', () => {
  const all = [...ENTITIES.map(({ options }) => options.name), MIGRATIONS_TABLE].sort();

  it('are all tables but those that are left out with a reason: a new one is in one of the lists', () => {
    expect([...COPIED_TABLES, ...TABLES_LEFT_OUT].sort()).toEqual(all);
  });

  it('come after those they refer to', () => {
    const at = (table: string): number => (COPIED_TABLES as readonly string[]).indexOf(table);
    const wrong = ENTITIES.filter(({ options }) => at(options.name) !== -1).flatMap(({ options }) =>
      (options.foreignKeys ?? [])
        .map(({ target }) => String(target))
        .filter((target) => at(target) === -1 || at(target) > at(options.name))
        .map((target) => `${options.name} refers to ${target}`),
    );
    expect(wrong).toEqual([]);
  });
});
