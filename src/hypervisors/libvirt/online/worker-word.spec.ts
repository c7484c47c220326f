import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GuardFiles, type GuardWord } from './guard-state';
import { WorkerWord } from './worker-word';

describe('the word of a worker', () => {
  let directory: string;
  let files: GuardFiles;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-word-'));
    files = new GuardFiles(directory);
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const DEAD: GuardWord = {
    attempt: 'that of the dead',
    worker: { pid: 4_194_000, bootId: 'of an earlier boot', startTicks: '1', purpose: 'worker' },
    freezes: [{ askedAtMs: 5, answered: true, thawed: true }],
    afterHookOwed: true,
    job: 'asked',
    jobAskedAtMs: 7,
    rateLimited: true,
  };

  it('that goes on from that of a dead one says what that has said, but is its own: the guard must not take it for dead', async () => {
    const word = await WorkerWord.takeOver(files, DEAD);
    const written = await files.readWord();
    expect(written).toEqual({ ...DEAD, attempt: expect.any(String) as string, worker: expect.objectContaining({ pid: process.pid }) as unknown });
    expect(written?.attempt).not.toBe(DEAD.attempt);
    await word.job('begun');
    expect(await files.readWord()).toMatchObject({ job: 'begun', worker: { pid: process.pid }, freezes: DEAD.freezes });
  });

  it('is not heard any more when another one has gone on from it', async () => {
    const earlier = await WorkerWord.takeOver(files, DEAD);
    const later = await WorkerWord.takeOver(files, earlier.said);
    await expect(earlier.job('over')).rejects.toMatchObject({ code: 'FENCED_OFF' });
    await expect(earlier.requireOurs()).rejects.toMatchObject({ code: 'FENCED_OFF' });
    await later.job('begun');
    expect((await files.readWord())?.job).toBe('begun');
  });
});
