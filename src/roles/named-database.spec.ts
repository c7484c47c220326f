import { namedDatabase } from './named-database';

describe('the database that a command works on', () => {
  it.each([
    ['postgres://owner:s3cret@db.example:5433/modosu?sslmode=require&password=s3cret', 'Database: owner@db.example:5433/modosu.'],
    ['postgresql://owner:s3cret@db.example/modosu', 'Database: owner@db.example/modosu.'],
    // As pg connects.
    ['postgres://a:s3cret@b:1/modosu?host=/run/postgresql&port=5433&user=c', 'Database: c@/run/postgresql:5433/modosu.'],
  ])('is named without its password: %s', (url, words) => expect(namedDatabase(url, null)).toBe(words));

  it('is named with where it stands, if nobody has typed it', () => {
    expect(namedDatabase('postgres://owner@db/modosu', '/s/run/settings.up.json (what `modosu up` was told)')).toBe(
      'Database: owner@db/modosu, as /s/run/settings.up.json (what `modosu up` was told) says.',
    );
  });
});
