import { judgingReport } from './judging';

it('the report says what each part takes of the aim, and what was judged', () => {
  const round = (seconds: number) => ({
    rulesSeconds: seconds,
    readAndJudgedSeconds: 2 * seconds,
    wholeSeconds: 4 * seconds,
    worst: { unknown: 1, block: 499 },
    findings: 5332,
  });
  const text = judgingReport([round(0.4), round(0.6), round(9)], { date: '2026-12-01' });
  expect(text).toContain('3 rounds, 2026-12-01');
  expect(text).toContain('500 servers with 2,000 relations');
  expect(text).toContain('Verdicts: 499 block, 1 unknown;\n5,332 findings.');
  expect(text).toContain('| rules alone, from memory | 0.40 | 0.60 | 0.30 x | met |');
  expect(text).toContain('| read, judged, and written to PostgreSQL | 1.60 | 2.40 | 1.20 x | **missed** |');
});
