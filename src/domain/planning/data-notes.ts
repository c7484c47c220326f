import { cleanWords, namesOf } from '../../contracts/text';

/** What a run says about data once it is in place, or taken back. */

/** Things that could not be put in place. `left`: some of them; `directories`: where they lie. */
export const leftNotes = (count: number, left: readonly string[], directories: readonly string[]): readonly string[] =>
  count === 0
    ? []
    : [
        `${count} ${count === 1 ? 'thing was' : 'things were'} not put in place, because something stood there by then, and ${count === 1 ? 'lies' : 'lie'} in ${namesOf(directories)}: ${namesOf(left)}.`,
      ];

/** Files that a restore leaves out, as its plan said. */
export const notRestoredNotes = ({
  conflicts,
  unnameable,
}: {
  readonly conflicts: readonly string[];
  readonly unnameable: readonly string[];
}): readonly string[] => [
  ...(conflicts.length === 0 ? [] : [`Not restored, because something of another type stands in the place: ${namesOf(conflicts)}.`]),
  ...(unnameable.length === 0 ? [] : [`Not restored, because the name is no UTF-8, which a guest agent cannot be told: ${namesOf(unnameable)}.`]),
];

/** After files were taken back: directories that stay in the guest. Null: none. */
export const filesLeftBehind = (kept: readonly string[]): string | null =>
  kept.length === 0 ? null : `What was written to restored files meanwhile, or could not be moved back, is kept in ${namesOf(kept)}.`;

/** The same for a database: what others have worked with meanwhile, and so is kept. */
export function databaseLeftBehind(
  database: string,
  { undoneDatabase, undoneSchema }: { readonly undoneDatabase: string | null; readonly undoneSchema: string | null },
): string | null {
  const left = [
    ...(undoneDatabase === null ? [] : [`The database that had been put in place had been in use, and is kept as "${cleanWords(undoneDatabase)}".`]),
    ...(undoneSchema === null
      ? []
      : [
          `What others have written to what had been put in place, or made on it, is kept in the schema "${cleanWords(undoneSchema)}" of the database "${cleanWords(database)}".`,
        ]),
  ];
  return left.length === 0 ? null : left.join(' ');
}
