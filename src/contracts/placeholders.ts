import type { MarkerReference } from './profile';

/** `${…}` in the texts of profiles. What is filled in is never looked at again: a value that holds `${…}` stays as it is. */

const PLACEHOLDER = /\$\{([^{}]*)\}/g;

/** What stands between the braces, in order. */
export const placeholdersOf = (text: string): readonly string[] => [...text.matchAll(PLACEHOLDER)].map(([, name]) => name ?? '');

/** Whether there is a `${` that does not end. */
export const hasOpenPlaceholder = (text: string): boolean => text.replace(PLACEHOLDER, '').includes('${');

/** Once through the text, from left to right. `valueOf` is asked for each name; what it answers stays as it is. */
export const fillIn = (text: string, valueOf: (name: string) => string): string => text.replace(PLACEHOLDER, (_whole, name: string) => valueOf(name));

/** What a marker is called in texts, and its reading among others. `markerNamed` reads it back. */
export const nameOfMarker = ({ marker, of, at }: MarkerReference): string => `${of}.${marker}.${at}`;

/** `server.NAME.now`, `peer.NAME.recovery-point`; null for what is none of these. */
export function markerNamed(name: string): MarkerReference | null {
  const match = /^(server|peer)\.([^.]+)\.(now|recovery-point)$/.exec(name);
  return match === null ? null : { marker: match[2] ?? '', of: match[1] as MarkerReference['of'], at: match[3] as MarkerReference['at'] };
}
