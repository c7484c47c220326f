import { fillIn, nameOfMarker } from '../../contracts/placeholders';
import type { MarkerReading, MarkerReference } from '../../contracts/profile';
import { cleanWords } from '../../contracts/text';
import { markerOf, valueNamed, type Situation } from './known';

/** What people read of a rule. All that comes from guests is cut, and cleaned of what could forge lines or steer a terminal. */

/** Characters of a value in a sentence, and in a line of evidence. */
const IN_SENTENCE = 80;
const IN_EVIDENCE = 160;

/** What is not known is said to be so; a rule that holds may tell of markers that it was not asked of. */
export const sentenceOf = (situation: Situation, text: string): string =>
  fillIn(text, (name) => {
    const value = valueNamed(situation, name);
    return value.isKnown ? cleanWords(value.value, IN_SENTENCE) : '(not known)';
  });

/** Of a program's arguments: as given, and never of a guest. */
export const argumentOf = (situation: Situation, text: string): string =>
  fillIn(text, (name) => {
    const value = valueNamed(situation, name);
    return value.isKnown ? value.value : '';
  });

/** Each marker once, in the order of their names: its value, of which server, and where and when it was read. */
export function evidenceOf(situation: Situation, references: readonly MarkerReference[]): readonly string[] {
  const byName = new Map(references.map((reference) => [nameOfMarker(reference), reference]));
  return [...byName].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, reference]) => evidenceLine(situation, reference));
}

function evidenceLine(situation: Situation, reference: MarkerReference): string {
  const source = reference.at === 'now' ? 'now' : 'recovery point';
  const marker = markerOf(situation, reference);
  const head = `${reference.marker} of "${situation[reference.of]}", ${source}`;
  if (marker.isKnown) return `${head}: ${cleanWords(marker.value.value, IN_EVIDENCE)} (read at ${cleanWords(marker.value.at, 40)})`;
  return `${head}: not known: ${marker.causes[0]?.why ?? ''}${printedBy(situation.readings[nameOfMarker(reference)])}`;
}

/** What a probe printed that is no marker of its type. */
const printedBy = (reading: MarkerReading | undefined): string =>
  reading?.state === 'read' && reading.raw.trim() !== '' ? `; printed: ${cleanWords(reading.raw, IN_EVIDENCE)}` : '';
