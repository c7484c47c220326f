/** docs/BENCHMARKS.md: a section for each part, written by the benchmark, and what people write below. */
export const PARTS = ['images', 'data'] as const;
export type Part = (typeof PARTS)[number];

const BEGIN: Readonly<Record<Part, string>> = { images: '# Benchmarks\n', data: '<!-- data -->\n' };
/** Below this line people write; the benchmark keeps it. */
const BY_HAND = '<!-- Below: written by people, kept by `npm run bench`. -->';

/** The document with another text for one part; everything else stays. */
export function withPart(document: string, part: Part, text: string): string {
  const [written = '', ...rest] = document.split(`${BY_HAND}\n`);
  const [images = '', data = ''] = written.split(BEGIN.data);
  const sections: Record<Part, string> = { images: images === '' ? BEGIN.images : images, data, [part]: text };
  return [sections.images.trimEnd(), ...(sections.data === '' ? [] : [`${BEGIN.data}${sections.data.trim()}`]), `${BY_HAND}\n${rest.join('')}`].join('\n\n');
}
