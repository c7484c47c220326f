import { ModosuError } from '../../contracts/errors';

/**
 * Names that a run gives to what it makes in a database server: they tell whose it is, are unique, and have at most 63 bytes with room for a `_<number>`
 * behind them.
 */
export interface RunNames {
  /** application_name of every session of the run. */
  readonly application: string;
  /** Scratch database, dropped at the end. */
  readonly scratch: string;
  /** A restored database before it is put in place, or the schema with what was restored beside. */
  readonly restored: string;
  /** What was replaced: a database or a schema. */
  readonly replaced: string;
  /** What an undo has taken away: a database or a schema. */
  readonly undone: string;
  /** Work directory in the spool directory. */
  readonly work: string;
}

const RUN_ID = /^[a-z]{1,8}_([0-9a-z]{10,32})$/;
const OWN = /^(?:modosu|restored|replaced|undone)_[0-9a-z]{10,32}(?:_\d{1,4})?$/;

export function runNames(runId: string): RunNames {
  const suffix = RUN_ID.exec(runId)?.[1];
  if (suffix === undefined) throw new ModosuError('INTERNAL', `"${runId}" is not the id of a run.`);
  return {
    application: `modosu-${runId}`,
    scratch: `modosu_${suffix}`,
    restored: `restored_${suffix}`,
    replaced: `replaced_${suffix}`,
    undone: `undone_${suffix}`,
    work: `work-${suffix}`,
  };
}

/** Whether a run has given this name: nothing else is ever dropped. */
export const isOwnName = (name: string): boolean => OWN.test(name);

/** The first is the base itself, then `_2`, `_3` … */
export const numbered = (base: string, index: number): string => (index === 0 ? base : `${base}_${index + 1}`);

const MAX_NAME_BYTES = 63;

/** A name for a thing beside others that may be called alike: `name`, or `schema.name`, cut to 63 bytes, or one with a number. `taken` gets it. */
export function uniqueName(wanted: { readonly schema: string; readonly name: string }, taken: Set<string>): string {
  const candidates = [wanted.name, cut(`${wanted.schema}.${wanted.name}`, MAX_NAME_BYTES)];
  for (let n = 2; ; n += 1) {
    const free = candidates.find((name) => !taken.has(name));
    if (free !== undefined) {
      taken.add(free);
      return free;
    }
    candidates.splice(0, candidates.length, `${cut(wanted.name, MAX_NAME_BYTES - 6)}~${n}`);
  }
}

const encoder = new TextEncoder();

function cut(text: string, maxBytes: number): string {
  let kept = '';
  let bytes = 0;
  for (const character of text) {
    bytes += encoder.encode(character).length;
    if (bytes > maxBytes) break;
    kept += character;
  }
  return kept;
}

/** A table as the key of a map, such as that of counted rows. */
export const rowsKey = ({ schema, name }: { readonly schema: string; readonly name: string }): string => JSON.stringify([schema, name]);
