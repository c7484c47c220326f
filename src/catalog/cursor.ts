import { ModosuError } from '../contracts/errors';
import type { Page, PageRequest } from './catalog';

/** Keyset cursors: the sort key of the last item shown, opaque to callers. A page stays right when rows are added meanwhile. */

const MAX_PAGE_SIZE = 500;

/** Which list a cursor belongs to: that of another list is refused instead of giving a wrong page. */
export type CursorKind =
  | 'recovery-points'
  | 'runs'
  | 'audit'
  | 'due-backups'
  | 'alerts'
  | 'verifications'
  | 'backup-sets'
  | 'transfers'
  | 'changes'
  | 'generations'
  | 'restore-sets'
  | 'restore-plans';

/** Position in a list that is sorted by time and id, newest first. */
export interface TimePosition {
  readonly at: Date;
  readonly id: string;
}

export const timeCursor = (kind: CursorKind, { at, id }: TimePosition): string => encode([kind, at.toISOString(), id]);
export const sequenceCursor = (kind: CursorKind, seq: number): string => encode([kind, seq]);

/** Null for the first page. Throws `REQUEST_INVALID`. */
export function readTimeCursor(kind: CursorKind, cursor: string | null): TimePosition | null {
  if (cursor === null) return null;
  const [at, id, ...rest] = decode(kind, cursor);
  if (typeof at !== 'string' || typeof id !== 'string' || rest.length > 0) throw invalid();
  const date = new Date(at);
  if (Number.isNaN(date.getTime()) || date.toISOString() !== at || id.includes('\u0000')) throw invalid();
  return { at: date, id };
}

/** 0 for the first page. Throws `REQUEST_INVALID`. */
export function readSequenceCursor(kind: CursorKind, cursor: string | null): number {
  if (cursor === null) return 0;
  const [seq, ...rest] = decode(kind, cursor);
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 0 || rest.length > 0) throw invalid();
  return seq;
}

/** How many rows to read: one more than is shown tells whether there is another page. Throws `REQUEST_INVALID`. */
export function rowsToRead({ limit }: PageRequest): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_PAGE_SIZE) return limit + 1;
  throw new ModosuError('REQUEST_INVALID', `The page size must be a whole number from 1 to ${MAX_PAGE_SIZE}.`);
}

/** A page of the rows that `rowsToRead` asked for. */
export function toPage<Row, Item>(rows: readonly Row[], { limit }: PageRequest, toItem: (row: Row) => Item, cursorOf: (row: Row) => string): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown.map(toItem), nextCursor: rows.length > limit && last !== undefined ? cursorOf(last) : null };
}

const encode = (position: readonly (string | number)[]): string => Buffer.from(JSON.stringify(position)).toString('base64url');

function decode(kind: CursorKind, cursor: string): readonly unknown[] {
  if (cursor.length > 512 || !/^[A-Za-z0-9_-]+$/.test(cursor)) throw invalid();
  let position: unknown;
  try {
    position = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    throw invalid();
  }
  if (!Array.isArray(position) || position[0] !== kind) throw invalid();
  return position.slice(1);
}

const invalid = (): ModosuError =>
  new ModosuError('REQUEST_INVALID', 'The cursor is not one that this list has given.', { hint: 'Leave the cursor out to begin with the first page.' });
