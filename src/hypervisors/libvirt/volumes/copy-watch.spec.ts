import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import type { StepProgress } from '../../../contracts/run';
import { CopyWatch, reportWhile } from './copy-watch';

const STALL_MS = 60_000;
const MAX_SILENCE_MS = 5_000;
const PIECE_BYTES = 256 * 1024 ** 2;
const TOTAL_BYTES = 10 * PIECE_BYTES;

type Report = Pick<StepProgress, 'doneBytes' | 'totalBytes'> & { readonly atMs: number };

describe('the watch over a copy', () => {
  let directory: string;
  let target: string;
  let reports: Report[];
  let watch: CopyWatch;
  const searchPath = process.env['PATH'];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-watch-'));
    target = join(directory, 'vda.qcow2');
    writeFileSync(target, '');
    // Programs and files go on in real time; only the clock of the watch is ours.
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    reports = [];
    watch = new CopyWatch({
      path: target,
      inode: statSync(target).ino,
      totalBytes: TOTAL_BYTES,
      stallTimeoutMs: STALL_MS,
      unreachableCode: 'REPOSITORY_UNREACHABLE',
      onProgress: ({ doneBytes, totalBytes }) => void reports.push({ doneBytes, totalBytes, atMs: performance.now() }),
    });
  });
  afterEach(async () => {
    await watch.stop();
    jest.useRealTimers();
    process.env['PATH'] = searchPath;
    rmSync(directory, { recursive: true, force: true });
  });

  const pass = async (ms: number): Promise<void> => {
    for (const end = performance.now() + ms; performance.now() < end;) {
      await jest.advanceTimersByTimeAsync(500);
      // Lets what was asked of the file system come back before the next tick.
      for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    }
  };
  const until = async (what: string, holds: () => boolean): Promise<void> => {
    for (let turn = 0; turn < 1_000_000; turn += 1) {
      if (holds()) return;
      await new Promise(setImmediate);
    }
    throw new Error(`${what}: never happened`);
  };
  const longestSilenceMs = (fromMs: number, toMs: number): number => {
    const times = [fromMs, ...reports.map(({ atMs }) => atMs).filter((atMs) => atMs > fromMs && atMs <= toMs), toMs];
    return Math.max(...times.slice(1).map((atMs, index) => atMs - (times[index] ?? fromMs)));
  };
  const stalled = { code: 'COPY_STALLED', retry: 'later' };

  it('reports every few seconds while nothing moves, with the same numbers, until the copy counts as stalled', async () => {
    watch.start();
    watch.sawOutput('    (20.00/100%)\r');
    const startedAt = performance.now();
    await pass(STALL_MS - 1_000);
    expect(watch.signal.aborted).toBe(false);
    expect(longestSilenceMs(startedAt, performance.now())).toBeLessThanOrEqual(MAX_SILENCE_MS);
    expect(new Set(reports.slice(1).map(({ doneBytes }) => doneBytes))).toEqual(new Set([TOTAL_BYTES / 5]));

    await pass(3_000);
    expect(watch.signal.reason).toMatchObject(stalled);
    const before = reports.length;
    await pass(20_000);
    expect(reports).toHaveLength(before);
  });

  it('begins to count anew with every movement', async () => {
    watch.start();
    for (let percent = 1; percent <= 5; percent += 1) {
      await pass(STALL_MS - 2_000);
      watch.sawOutput(`    (${percent}.00/100%)\r`);
    }
    expect(watch.signal.aborted).toBe(false);
    const done = reports.map(({ doneBytes }) => doneBytes);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(done.at(-1)).toBe(TOTAL_BYTES / 20);
  });

  describe('during the last flush', () => {
    /** In place of `sync`: storage that takes its time. */
    const slowStorage = (): void => {
      const program = join(directory, 'sync');
      writeFileSync(program, '#!/bin/sh\nwhile [ ! -e "$2.released" ]; do sleep 0.05; done\n');
      chmodSync(program, 0o755);
      process.env['PATH'] = `${directory}:${searchPath}`;
    };
    /** Room for so many pieces, without writing them. */
    const allocate = async (pieces: number): Promise<void> => {
      execFileSync('fallocate', ['-l', String(pieces * PIECE_BYTES - 1024 ** 2), target]);
      await watch.requireTarget();
    };

    it('allows the stall time-out for each piece that may still lie in memory, and reports meanwhile', async () => {
      slowStorage();
      watch.start();
      await allocate(3);
      const startedAt = performance.now();
      const flush = watch.flush(watch.signal).catch((error: unknown) => error);
      await pass(3 * STALL_MS - 2_000);
      expect(watch.signal.aborted).toBe(false);
      expect(longestSilenceMs(startedAt, performance.now())).toBeLessThanOrEqual(MAX_SILENCE_MS);
      await pass(4_000);
      expect(watch.signal.reason).toMatchObject(stalled);
      expect(await flush).toMatchObject(stalled);
    });

    it('goes on when the storage was only slow', async () => {
      slowStorage();
      watch.start();
      await allocate(2);
      // A piece is on its way already, and the last flush has to wait for it.
      await pass(1_000);
      let flushed = false;
      const flush = watch.flush(watch.signal).then(() => (flushed = true));
      await pass(STALL_MS + 20_000);
      expect(flushed).toBe(false);
      writeFileSync(`${target}.released`, '');
      await until('the flush ends', () => flushed);
      await flush;
      // What is left to do is short again.
      await pass(STALL_MS + 2_000);
      expect(watch.signal.reason).toMatchObject(stalled);
    });
  });
});

describe('reportWhile', () => {
  it('reports while the work goes on, and no longer', async () => {
    jest.useFakeTimers();
    try {
      let finish: (value: string) => void = () => undefined;
      let reports = 0;
      const work = reportWhile(() => (reports += 1), new Promise<string>((resolve) => (finish = resolve)));
      await jest.advanceTimersByTimeAsync(30_000);
      expect(reports).toBeGreaterThanOrEqual(6);
      finish('done');
      expect(await work).toBe('done');
      expect(jest.getTimerCount()).toBe(0);
    } finally {
      jest.useRealTimers();
    }
  });
});
