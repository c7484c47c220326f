import { ModosuError } from '../../contracts/errors';
import type { MarkerType } from '../../contracts/marker';
import { cleanWords } from '../../contracts/text';

/** Characters of what was read that an error shows. */
const MAX_QUOTED = 80;

/** `MARKER_UNREADABLE`, with the beginning of what was read. `problem` is a clause in our own words; nothing of it comes from the guest. */
export const unreadable = (type: MarkerType, text: string, problem: string): ModosuError =>
  new ModosuError('MARKER_UNREADABLE', `"${cleanWords(text, MAX_QUOTED)}" is no marker of type ${type}: ${problem}`, { context: { type } });
