/** docs/BENCHMARKS.md: a section for each part, written by the benchmark, and what people write below. */
export const PARTS = ['images', 'increments', 'data', 'rules', 'judging'] as const;
export type Part = (typeof PARTS)[number];

const BEGIN: Readonly<Record<Part, string>> = {
  images: '# Benchmarks\n',
  increments: '<!-- increments -->\n',
  data: '<!-- data -->\n',
  rules: '<!-- rules -->\n',
  judging: '<!-- judging -->\n',
};
/** Below this line people write; the benchmark keeps it. */
const BY_HAND = '<!-- Below: written by people, kept by `npm run bench`. -->';

/** The document with another text for one part; everything else stays. */
export function withPart(document: string, part: Part, text: string): string {
  const [written = '', ...rest] = document.split(`${BY_HAND}\n`);
  const [beforeJudging = '', judging = ''] = written.split(BEGIN.judging);
  const [beforeRules = '', rules = ''] = beforeJudging.split(BEGIN.rules);
  const [beforeData = '', data = ''] = beforeRules.split(BEGIN.data);
  const [images = '', increments = ''] = beforeData.split(BEGIN.increments);
  const sections: Record<Part, string> = { images: images === '' ? BEGIN.images : images, increments, data, rules, judging, [part]: text };
  const marked = (['increments', 'data', 'rules', 'judging'] as const).flatMap((name) =>
    sections[name].trim() === '' ? [] : [`${BEGIN[name]}${sections[name].trim()}`],
  );
  return [sections.images.trimEnd(), ...marked, `${BY_HAND}\n${rest.join('')}`].join('\n\n');
}
