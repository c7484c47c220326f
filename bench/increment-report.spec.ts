import type { RunStepView, RunView } from '../src/contracts/run';
import { incrementReport } from './increment-report';
import type { IncrementRound, ModosuIncrement } from './increment-rounds';

const MIB = 1024 ** 2;

const step = (key: string, from: number, to: number): RunStepView =>
  ({ key, startedAt: new Date(from * 1000).toISOString(), finishedAt: new Date(to * 1000).toISOString() }) as RunStepView;

const side = (seconds: number, mebibytes: number) => ({ seconds, writtenBytes: mebibytes * MIB });
const modosu = (seconds: number): ModosuIncrement => {
  const steps: readonly RunStepView[] = [step('basis', 0, 0.25), step('begin', 0.25, 0.75), step('copy:vda', 0.75, seconds)];
  return { ...side(seconds, 66), run: { steps } as RunView };
};
const round = (disturbed: number, seconds: number, wideSeconds: number): IncrementRound => ({
  narrow: { modosu: modosu(seconds), push: side(0.5, 65), nbd: side(1.8, 64) },
  wide: { modosu: modosu(wideSeconds), push: side(0.75, 73) },
  disturbed,
});

const about = { machine: ['a machine'], date: '2026-01-01' };
const line = (text: string, beginning: string): string | undefined => text.split('\n').find((candidate) => candidate.startsWith(`| ${beginning} |`));

describe('the section about incremental images', () => {
  it('holds the medians against the aims', () => {
    const text = incrementReport([round(0, 1.25, 1.5), round(0, 1.2, 1.5), round(0, 9, 1.5)], about);
    expect(text).toContain('(3 rounds, 2026-01-01)');
    expect(line(text, 'Modosu')).toBe('| Modosu | 1.20 | 1.25 | 66 MiB |  |');
    expect(line(text, 'bare push')).toBe('| bare push | 0.50 | 0.50 | 65 MiB | +0.75 s |');
    expect(line(text, 'virtnbdbackup')).toBe('| virtnbdbackup | 1.80 | 1.80 | 64 MiB | 1.44 x faster |');
    expect(line(text, 'bare push, disk of 64 GiB')).toBe('| bare push, disk of 64 GiB | 0.75 | 0.75 | 73 MiB | +0.75 s |');
    expect(line(text, 'incremental of 64 MiB against `virtnbdbackup -l inc`')).toContain('| at least 1.2 x faster | 1.44 x | met |');
    expect(line(text, 'incremental of 64 MiB against a bare push')).toContain('| within 1 s | +0.75 s | met |');
    expect(line(text, 'incremental of a sparse disk of 64 GiB against that of 4 GiB')).toContain('| at most 1.3 x | 1.20 x | met |');
    expect(line(text, '`basis`')).toBe('| `basis` | 0.25 | own |');
    expect(line(text, '`copy:vda`')).toBe('| `copy:vda` | 0.50 |  |');
    expect(text).not.toContain('busy with something else');
  });

  it('says what was missed, and that the machine was busy', () => {
    const text = incrementReport([round(2, 1.6, 2.4)], about);
    expect(line(text, 'incremental of 64 MiB against `virtnbdbackup -l inc`')).toContain('| 1.13 x | **missed** |');
    expect(line(text, 'incremental of 64 MiB against a bare push')).toContain('| +1.10 s | **missed** |');
    expect(line(text, 'incremental of a sparse disk of 64 GiB against that of 4 GiB')).toContain('| 1.50 x | **missed** |');
    expect(text).toContain('**2 of 5 sides began although the machine was busy');
  });

  it('does not take a push that was slower for a miss', () =>
    expect(line(incrementReport([round(0, 0.25, 0.3)], about), 'bare push')).toContain('| -0.25 s |'));
});
