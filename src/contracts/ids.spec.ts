import { isId, newId } from './ids';

it('makes ids that sort by age, are unique and are recognised', () => {
  const older = newId('run', 1_700_000_000_000);
  const newer = newId('run', 1_700_000_000_001);
  expect(older < newer).toBe(true);
  expect(isId('run', older)).toBe(true);
  expect(new Set(Array.from({ length: 1000 }, () => newId('rp'))).size).toBe(1000);
});

it.each(['run_', 'run_../../etc/passwd', 'rp_01hxxxxxxxxxxxxxxxxxxxxxxx', '', 'run_01HXXXXXXXXXXXXXXXXXXXXXXX', undefined, 7])(
  'refuses %p as a run id',
  (value) => {
    expect(isId('run', value)).toBe(false);
  },
);
