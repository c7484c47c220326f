const MAX_EVIDENCE_BYTES = 4 * 1024;
const CUT = '…';

/**
 * What was read, for people who ask on what a verdict rests: at most 4 KiB as UTF-8, with "…" where it was cut. Line feeds stay, because some markers are
 * lines; every other character that controls, formats or is none (they could steer a terminal) is a blank. Nothing is computed from it.
 */
export function evidenceOf(text: string): string {
  // No character has more than three bytes for each of its units: what is cut away here would be cut away below.
  const plain = text.slice(0, MAX_EVIDENCE_BYTES + 1).replace(/[^\P{C}\n]|[\p{Zl}\p{Zp}]/gu, ' ');
  const bytes = Buffer.from(plain);
  if (bytes.length <= MAX_EVIDENCE_BYTES && text.length <= MAX_EVIDENCE_BYTES) return plain;
  let end = MAX_EVIDENCE_BYTES - Buffer.byteLength(CUT);
  // Never inside a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end).toString() + CUT;
}
