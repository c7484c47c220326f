import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '../../../contracts/ids';
import { elapsedMs, GuardFiles, guardedRuns, monotonicMs } from './guard-state';
import { WorkerWord } from './worker-word';

const NOTHING = { freezes: [], job: 'none', jobAskedAtMs: null, rateLimited: false, afterHookOwed: false } as const;

describe('what worker and guard tell each other', () => {
  let state: string;
  let files: GuardFiles;
  beforeEach(async () => {
    state = await mkdtemp(join(tmpdir(), 'modosu-guards-'));
    files = GuardFiles.of(state, newId('run'));
    await mkdir(files.directory, { recursive: true });
  });
  afterEach(() => rm(state, { recursive: true, force: true }));

  it('is nothing before anybody has written, and after a power cut that left an empty file', async () => {
    expect(await files.readWord()).toBeNull();
    expect(await files.readBegun()).toBeNull();
    await writeFile(join(files.directory, 'word.json'), '');
    expect(await files.readWord()).toBeNull();
    expect(await guardedRuns(join(state, 'nowhere'))).toEqual([]);
    expect(await guardedRuns(state)).toHaveLength(1);
  });

  it('is refused when it cannot be understood, and for names that are no run', async () => {
    await writeFile(join(files.directory, 'word.json'), '{"attempt": 1}');
    await expect(files.readWord()).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(() => GuardFiles.of(state, '../elsewhere')).toThrow('not the id of a run');
  });

  it('belongs to the last attempt that took over', async () => {
    const first = await WorkerWord.takeOver(files, NOTHING);
    await first.freezing(17);
    await first.freezeAnswered(17);
    expect((await files.readWord())?.freezes).toEqual([{ askedAtMs: 17, answered: true, thawed: false }]);
    const second = await WorkerWord.takeOver(files, { ...NOTHING, freezes: first.said.freezes });
    await expect(first.jobAsked()).rejects.toMatchObject({ code: 'FENCED_OFF' });
    await second.thawed(17);
    expect((await files.readWord())?.freezes).toEqual([{ askedAtMs: 17, answered: true, thawed: true }]);
    expect((await files.readWord())?.job).toBe('none');
  });

  it('counts a moment of another boot as long ago', () => {
    expect(elapsedMs(monotonicMs() + 1_000_000)).toBe(Infinity);
    expect(elapsedMs(monotonicMs() - 5)).toBeLessThan(5_000);
  });
});
