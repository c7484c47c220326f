import { presentOf } from '../../../test/support/database-facts';
import { heldError, judgeExchange, type Exchange } from './exchange';
import { noteOf, type PresentDatabase } from './present-database';

const PLACE: Exchange = { database: 'shop', incoming: 'restored_1', outgoing: 'replaced_1' };
const AWAY: Exchange = { database: 'shop', incoming: null, outgoing: 'undone_1' };
const there = (...databases: readonly PresentDatabase[]): ReadonlyMap<string, PresentDatabase> =>
  new Map(databases.map((database) => [database.name, database]));
const [live, restored, replaced, undone] = ['shop', 'restored_1', 'replaced_1', 'undone_1'].map((name) => presentOf({ name })) as [
  PresentDatabase,
  PresentDatabase,
  PresentDatabase,
  PresentDatabase,
];
const refused = (code: string, message: string) => ({ next: 'refuse', error: expect.objectContaining({ code, message }) as unknown });

describe('an exchange of databases', () => {
  it('renames both, or only the incoming one where nothing has the name', () => {
    expect(judgeExchange(PLACE, there(live, restored))).toEqual({ next: 'rename', hadLive: true });
    expect(judgeExchange(PLACE, there(restored))).toEqual({ next: 'rename', hadLive: false });
  });

  it('takes a database away', () => expect(judgeExchange(AWAY, there(live))).toEqual({ next: 'rename', hadLive: true }));

  it('is done when the incoming one has the name, and the other is kept or was never there', () => {
    expect(judgeExchange(PLACE, there(live, replaced))).toEqual({ next: 'done', hadLive: true });
    expect(judgeExchange(PLACE, there(presentOf({ notes: [noteOf('placed', 'replaced_1')] })))).toEqual({ next: 'done', hadLive: false });
    expect(judgeExchange(AWAY, there(undone))).toEqual({ next: 'done', hadLive: true });
  });

  it('is not taken as done by what another run has placed', () =>
    expect(judgeExchange(PLACE, there(presentOf({ notes: [noteOf('placed', 'replaced_2'), noteOf('loaded', 'replaced_1')] })))).toEqual(
      refused('DATABASE_NOT_FOUND', 'The database restored_1, which was to be put in the place of shop, is not there.'),
    ));

  it.each([
    ['what is to come', PLACE, there(), 'restored_1'],
    ['what is to come, and the live one, while the kept one is there', PLACE, there(replaced), 'restored_1'],
    ['what is to go', AWAY, there(), 'shop'],
  ])('is refused without %s', (_what, exchange, found, lost) =>
    expect(judgeExchange(exchange, found)).toEqual(
      refused('DATABASE_NOT_FOUND', `The database ${lost}, which was to be put in the place of shop, is not there.`),
    ),
  );

  it.each([
    [PLACE, there(live, restored, replaced), 'replaced_1'],
    [PLACE, there(restored, replaced), 'replaced_1'],
    [AWAY, there(live, undone), 'undone_1'],
  ])('is refused while something has the name that the outgoing one is to get', (exchange, found, name) =>
    expect(judgeExchange(exchange, found)).toEqual({
      next: 'refuse',
      error: expect.objectContaining({
        code: 'DATABASE_IN_USE',
        message: `A database ${name} is in the way. Everything is as it was.`,
        hint: 'Look at it and rename it, then start again.',
      }) as unknown,
    }),
  );

  it('puts only what the run itself has loaded to its end in place', () => {
    const loaded = (...notes: readonly string[]) =>
      judgeExchange({ ...PLACE, loadedBy: 'modosu-run_1' }, there(live, presentOf({ name: 'restored_1', notes })));
    expect(loaded(noteOf('loaded', 'modosu-run_1'))).toEqual({ next: 'rename', hadLive: true });
    expect(judgeExchange({ ...AWAY, loadedBy: 'modosu-run_1' }, there(live))).toEqual({ next: 'rename', hadLive: true });
    for (const notes of [[], [noteOf('loaded', 'modosu-run_2')], [noteOf('placed', 'modosu-run_1')]]) {
      expect(loaded(...notes)).toEqual(refused('DATABASE_NOT_FOUND', 'The database restored_1 has not been loaded to its end.'));
    }
  });

  it('is refused while prepared transactions hold either', () => {
    const held = (...prepared: readonly string[]) => presentOf({ prepared });
    expect(judgeExchange(PLACE, there(held('a\nb', '2', '3', '4'), restored))).toEqual({
      next: 'refuse',
      error: expect.objectContaining({
        code: 'DATABASE_IN_USE',
        message: 'The database shop is held: prepared transactions hold it (a b, 2, 3). Everything is as it was.',
        context: { database: 'shop', prepared: ['a b', '2', '3', '4'] },
      }) as unknown,
    });
    expect(judgeExchange(PLACE, there(live, { ...held('x'), name: 'restored_1' }))).toMatchObject({ next: 'refuse', error: { code: 'DATABASE_IN_USE' } });
  });

  it('names the databases of a guest so that nobody is fooled', () => {
    expect(judgeExchange({ database: 'sh\nop', incoming: 're\nstored', outgoing: 'x' }, there())).toEqual(
      refused('DATABASE_NOT_FOUND', 'The database re stored, which was to be put in the place of sh op, is not there.'),
    );
    const error = heldError(
      'sh\nop',
      'sessions do not end',
      Array.from({ length: 11 }, (_, index) => `p${index}`),
    );
    expect(error).toMatchObject({
      message: 'The database sh op is held: sessions do not end. Everything is as it was.',
      context: { database: 'sh op', prepared: Array.from({ length: 10 }, (_, index) => `p${index}`) },
    });
    expect(heldError('shop', 'x').context).toEqual({ database: 'shop', prepared: [] });
  });
});
