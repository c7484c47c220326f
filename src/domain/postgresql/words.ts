import { cleanWords } from '../../contracts/text';

/** What the guest says is hostile: this makes it fit for messages. */

const MAX_WORDS = 400;

/**
 * No control, format or unassigned characters: they could forge lines of a log or steer a terminal. The end of a long complaint says more than its beginning.
 */
export function words(text: string, maxLength: number = MAX_WORDS): string {
  return cleanWords(text, maxLength, { keep: 'end' });
}

/** A name for messages. */
export const named = (name: string): string => {
  const plain = Array.from(name.slice(0, 256).replace(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' '));
  return plain.length <= 64 ? plain.join('') : `${plain.slice(0, 63).join('')}…`;
};

/** `schema.table` for messages and lists. */
export const tableNamed = ({ schema, name }: { readonly schema: string; readonly name: string }): string => `${named(schema)}.${named(name)}`;

/** Some names, and how many more there are. */
export function some(names: readonly string[], most = 5): string {
  const shown = names.slice(0, most).join(', ');
  return names.length <= most ? shown : `${shown} and ${names.length - most} more`;
}
