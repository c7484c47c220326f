import { ModosuError } from '../../contracts/errors';
import { noteOf, type PresentDatabase } from './present-database';
import { named } from './words';

/** Which database takes whose place under a name. */
export interface Exchange {
  readonly database: string;
  /** What takes its place; null: nothing. */
  readonly incoming: string | null;
  /** What the present one is called afterwards. */
  readonly outgoing: string;
  /** The incoming one has to have been loaded to its end by this run. */
  readonly loadedBy?: string;
}

/** `done`: an earlier attempt has exchanged them. `hadLive`: whether there is, or was, a database to be kept. */
export type ExchangeJudgement = { readonly next: 'rename' | 'done'; readonly hadLive: boolean } | { readonly next: 'refuse'; readonly error: ModosuError };

/**
 * What is left to do of an exchange, by the databases that are there: an attempt may have died at any point.
 *
 * @param found of the three names those that exist
 */
export function judgeExchange({ database, incoming, outgoing, loadedBy }: Exchange, found: ReadonlyMap<string, PresentDatabase>): ExchangeJudgement {
  const live = found.get(database);
  const coming = incoming === null ? undefined : found.get(incoming);
  const gone = found.has(outgoing);
  const placedHere = live?.notes.includes(noteOf('placed', outgoing)) ?? false;
  const done = incoming === null ? live === undefined && gone : coming === undefined && live !== undefined && (gone || placedHere);
  if (done) return { next: 'done', hadLive: gone };
  const lost = incoming !== null && coming === undefined ? incoming : incoming === null && live === undefined ? database : null;
  if (lost !== null) {
    return refuse(new ModosuError('DATABASE_NOT_FOUND', `The database ${named(lost)}, which was to be put in the place of ${named(database)}, is not there.`));
  }
  if (gone) {
    return refuse(
      new ModosuError('DATABASE_IN_USE', `A database ${named(outgoing)} is in the way. Everything is as it was.`, {
        hint: 'Look at it and rename it, then start again.',
      }),
    );
  }
  if (incoming !== null && loadedBy !== undefined && coming?.notes.includes(noteOf('loaded', loadedBy)) !== true) {
    return refuse(new ModosuError('DATABASE_NOT_FOUND', `The database ${named(incoming)} has not been loaded to its end.`));
  }
  const prepared = [live, coming].flatMap((entry) => entry?.prepared ?? []);
  if (prepared.length > 0) return refuse(heldError(database, `prepared transactions hold it (${prepared.map(named).slice(0, 3).join(', ')})`, prepared));
  return { next: 'rename', hadLive: live !== undefined };
}

const refuse = (error: ModosuError): ExchangeJudgement => ({ next: 'refuse', error });

export const heldError = (database: string, why: string, prepared: readonly string[] = []): ModosuError =>
  new ModosuError('DATABASE_IN_USE', `The database ${named(database)} is held: ${why}. Everything is as it was.`, {
    context: { database: named(database), prepared: prepared.map(named).slice(0, 10) },
  });
