import { rulesReport } from './rules';

it('the report says the ratio of the medians, and whether the aim is met', () => {
  const round = (judgeSeconds: number, sortSeconds: number) => ({ judgeSeconds, sortSeconds });
  const text = rulesReport([round(0.5, 0.1), round(0.7, 0.2), round(9, 0.3)], { date: '2026-11-27' });
  expect(text).toContain('3 rounds, 2026-11-27');
  expect(text).toContain('100,000 recovery points');
  expect(text).toContain('| judged | 0.50 | 0.70 | 3.5 x |\n| sorted | 0.10 | 0.20 |  |');
  expect(text).toContain('Measured: 0.70 s, met.');
  expect(rulesReport([round(1.2, 0.1)], { date: '2026-11-27' })).toContain('1.20 s, **missed**');
});
