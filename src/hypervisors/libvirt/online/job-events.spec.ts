import { JobEventReader, type JobEnd } from './job-events';

const header = (event = 'job-completed'): string => `2026-01-01 00:00:00.000+0000: event '${event}' for domain 'db01':\n`;

function read(...pieces: string[]): Promise<JobEnd[]> {
  const ends: JobEnd[] = [];
  const reader = new JobEventReader((end) => ends.push(end));
  for (const piece of pieces) reader.read(piece);
  // An end without a text is only believed when none has followed.
  return new Promise((resolve) => setTimeout(() => resolve(ends), 400));
}

describe('JobEventReader', () => {
  it("reads ends that went well and ends that did not, with QEMU's words", async () => {
    const fine = `${header()}\toperation: 9\n\ttime_elapsed: 127\n\tdisk_total: 469762048\n\tsuccess: 1\n`;
    const full = `${header()}\toperation: 9\n\tsuccess: 0\n\terrmsg: No space left on device\n`;
    expect(await read(fine, full)).toEqual([
      { success: true, errorText: null },
      { success: false, errorText: 'No space left on device' },
    ]);
  });

  it('reads them in pieces of any size', async () => {
    const text = `${header()}\toperation: 9\n\tsuccess: 0\n\terrmsg: Operation canceled\n`;
    expect(await read(...text)).toEqual([{ success: false, errorText: 'Operation canceled' }]);
  });

  it('believes an end without words after a moment', async () => {
    expect(await read(`${header()}\toperation: 9\n\tsuccess: 0\n`)).toEqual([{ success: false, errorText: null }]);
    expect(await read(`${header()}\toperation: 9\n\tsuccess: 0\n`, `${header()}\toperation: 9\n\tsuccess: 1\n`)).toEqual([
      { success: false, errorText: null },
      { success: true, errorText: null },
    ]);
  });

  it('leaves other jobs, other events and unfinished ones alone', async () => {
    expect(await read(`${header()}\toperation: 4\n\tsuccess: 1\n`, `${header('block-job')}\tsuccess: 1\n`, 'noise\n', `${header()}\toperation: 9\n`)).toEqual(
      [],
    );
  });
});
