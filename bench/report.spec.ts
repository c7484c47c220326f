import type { RunStepView, RunView } from '../src/contracts/run';
import { report } from './report';
import type { Round } from './rounds';

const MIB = 1024 ** 2;

const step = (key: string, from: number, to: number): RunStepView =>
  ({ key, startedAt: new Date(from * 1000).toISOString(), finishedAt: new Date(to * 1000).toISOString() }) as RunStepView;

const side = (wallSeconds: number, steps: readonly RunStepView[], peakMiB: number) => ({
  wallSeconds,
  run: { steps } as RunView,
  memory: { beforeBytes: 100 * MIB, peakBytes: peakMiB * MIB },
});

const round = (peakMiB: number, backupSeconds: number): Round => ({
  backup: {
    modosu: side(backupSeconds, [step('examine', 0, 0.5), step('copy:vda', 0.5, 5), step('checksum:vda', 5, backupSeconds)], peakMiB),
    push: 5,
    nbd: 10,
  },
  restore: {
    modosu: side(12, [step('copy:vda', 1, 5), step('stop', 5, 8), step('swap', 8, 8.5), step('agent', 8.5, 12)], peakMiB),
    copySeconds: 4,
    convert: 4,
    nbd: 9,
  },
  imageBytes: 1,
  disturbed: 0,
});

const about = { machine: ['a machine'], date: '2026-01-01', mode: 'online' };
const line = (text: string, beginning: string): string | undefined => text.split('\n').find((candidate) => candidate.startsWith(`| ${beginning}`));

describe('the document', () => {
  it('says what was reached, by medians', () => {
    const text = report([round(120, 6), round(130, 7), round(110, 6.5)], about);
    expect(line(text, 'full online backup against a bare push')).toBe('| full online backup against a bare push | at most 1.5 x | 1.30 x | met |');
    expect(line(text, 'full online backup against virtnbdbackup')).toBe('| full online backup against virtnbdbackup | at least 1.4 x faster | 1.54 x | met |');
    expect(line(text, 'restore of the disk against virtnbdrestore')).toBe(
      '| restore of the disk against virtnbdrestore | at least 2 x faster | 2.25 x | met |',
    );
    expect(line(text, 'growth')).toBe("| growth of the worker's memory in a run | flat: at most 64 MiB | 30 MiB | met |");
    expect(line(text, 'backup: all that')).toContain('| 0.50 s | met |');
    expect(line(text, 'restore: all that')).toContain('| 1.50 s | met |');
    expect(line(text, 'Modosu |')).toBe('| Modosu | 6.00 | 6.50 |  |');
    expect(line(text, '`examine`')).toBe('| `examine` | 0.50 | own |');
    expect(line(text, '`agent`')).toBe('| `agent` | 3.50 |  |');
    expect(text).not.toContain('did not become idle');
  });

  it('says what was missed, and that the machine was busy', () => {
    const text = report([{ ...round(200, 8), disturbed: 2 }], about);
    expect(line(text, 'full online backup against a bare push')).toContain('| 1.60 x | **missed** |');
    expect(line(text, 'growth')).toContain('| 100 MiB | **missed** |');
    expect(text).toContain('**2 times it did not become idle');
  });
});
