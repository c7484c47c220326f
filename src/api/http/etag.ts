import { canonicalJson } from '../../domain/canonical-json';
import { sha256Of } from '../../system/sha256';

/** Strong entity tag of a value as it goes out: the same content gives the same tag, whichever process answers. */
export function etagOf(value: unknown): string {
  const sent = JSON.parse(JSON.stringify(value)) as unknown;
  return `"${sha256Of(canonicalJson(sent)).slice(0, 32)}"`;
}

/** Whether a list of tags as in `If-Match` and `If-None-Match` holds this one. Weak marks are ignored. */
export function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  const tags = header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes('*') || tags.includes(etag);
}
