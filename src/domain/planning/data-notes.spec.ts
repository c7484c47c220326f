import { databaseLeftBehind, filesLeftBehind, leftNotes, notRestoredNotes } from './data-notes';

describe('a restore of files', () => {
  it('says what it could not put in place, and where that lies', () => {
    expect(leftNotes(0, [], ['/srv/.modosu'])).toEqual([]);
    expect(leftNotes(1, ['/srv/a\nb'], ['/srv/.modosu'])).toEqual([
      '1 thing was not put in place, because something stood there by then, and lies in "/srv/.modosu": "/srv/a b".',
    ]);
    expect(leftNotes(2, ['/srv/a', '/srv/b'], ['/srv/.modosu', '/var/.modosu'])).toEqual([
      '2 things were not put in place, because something stood there by then, and lie in "/srv/.modosu", "/var/.modosu": "/srv/a", "/srv/b".',
    ]);
  });

  it('says what it has left out, and why', () => {
    expect(notRestoredNotes({ conflicts: [], unnameable: [] })).toEqual([]);
    expect(notRestoredNotes({ conflicts: ['/srv/a\nb'], unnameable: ['/srv/\ufffd'] })).toEqual([
      'Not restored, because something of another type stands in the place: "/srv/a b".',
      'Not restored, because the name is no UTF-8, which a guest agent cannot be told: "/srv/\ufffd".',
    ]);
    expect(notRestoredNotes({ conflicts: [], unnameable: ['/x'] })).toHaveLength(1);
  });
});

describe('what was taken back', () => {
  it('may leave directories behind', () => {
    expect(filesLeftBehind([])).toBeNull();
    expect(filesLeftBehind(['/srv/a\nb', '/var'])).toBe(
      'What was written to restored files meanwhile, or could not be moved back, is kept in "/srv/a b", "/var".',
    );
  });

  it('may leave a database or a schema behind', () => {
    const database = 'The database that had been put in place had been in use, and is kept as "undone _1".';
    const schema = 'What others have written to what had been put in place, or made on it, is kept in the schema "undone _2" of the database "sh op".';
    expect(databaseLeftBehind('shop', { undoneDatabase: null, undoneSchema: null })).toBeNull();
    expect(databaseLeftBehind('sh\nop', { undoneDatabase: 'undone\n_1', undoneSchema: null })).toBe(database);
    expect(databaseLeftBehind('sh\nop', { undoneDatabase: null, undoneSchema: 'undone\n_2' })).toBe(schema);
    expect(databaseLeftBehind('sh\nop', { undoneDatabase: 'undone\n_1', undoneSchema: 'undone\n_2' })).toBe(`${database} ${schema}`);
  });
});
