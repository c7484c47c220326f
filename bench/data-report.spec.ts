import type { RunStepView, RunView } from '../src/contracts/run';
import { dataReport } from './data-report';
import type { DataRound, Pair } from './data-rounds';

const step = (key: string, from: number, to: number): RunStepView =>
  ({ key, startedAt: new Date(from * 1000).toISOString(), finishedAt: new Date(to * 1000).toISOString() }) as RunStepView;

const pair = (modosuSeconds: number, bare: number, steps: readonly RunStepView[] = []): Pair => ({
  modosu: { wallSeconds: modosuSeconds, run: { steps } as RunView },
  bare,
});

const round = (disturbed: number, restoreSeconds: number): DataRound => ({
  files: { backup: pair(15, 10), restore: pair(restoreSeconds, 10, [step('check', 0, 1), step('safety', 1, 5), step('fetch', 5, restoreSeconds)]) },
  database: { backup: pair(30, 20), restore: pair(60, 40, [step('safety', 2, 12)]) },
  disturbed,
});

const about = { machine: ['a machine'], date: '2026-01-01', sizes: { files: 600, fileBytes: 64 * 1024 ** 2, databaseBytes: 30_000_000 } };
const line = (text: string, beginning: string): string | undefined => text.split('\n').find((candidate) => candidate.startsWith(`| ${beginning} |`));

describe('the section about data', () => {
  it('holds the medians against the aim, with and without the safety recovery point', () => {
    const text = dataReport([round(0, 19), round(0, 21), round(0, 20)], about);
    expect(line(text, 'files, backup')).toBe('| files, backup | 15.00 | 10.00 | 1.50 x | at most 15.00 | met |');
    expect(line(text, 'files, restore')).toBe('| files, restore | 20.00 | 10.00 | 2.00 x | at most 15.00 | **missed** |');
    expect(line(text, 'files, restore without its safety recovery point')).toContain('| 16.00 | 10.00 | 1.60 x |');
    expect(line(text, 'database, backup')).toContain('| at most 27.00 | **missed** |');
    expect(line(text, 'database, restore without its safety recovery point')).toBe(
      '| database, restore without its safety recovery point | 50.00 | 40.00 | 1.25 x | at most 51.00 | met |',
    );
    expect(line(text, '`safety`')).toBe('| `safety` | 4.00 |');
    expect(text).toContain('64 MiB of random bytes in 600 files');
    expect(text).toContain('30 MB of random text');
    expect(text).not.toContain('busy with something else');
  });

  it('says that the machine was busy', () => expect(dataReport([round(3, 20)], about)).toContain('**3 of 8 sides began although the machine was busy'));
});
