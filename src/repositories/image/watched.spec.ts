import { watched } from './watched';

const STALL_MS = 60_000;
const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

describe('reading that may take long', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());
  const signal = (): AbortSignal => new AbortController().signal;

  it('repeats its last progress every few seconds until it counts as stalled, and then is given up', async () => {
    const seen: { doneBytes: number; atMs: number }[] = [];
    const onProgress = ({ doneBytes }: { readonly doneBytes: number }): void => void seen.push({ doneBytes, atMs: performance.now() });
    const startedAt = performance.now();
    let inner: AbortSignal | undefined;
    const outcome = watched({ path: '/r/vda.qcow2', signal: signal(), onProgress, stallTimeoutMs: STALL_MS }, (context) => {
      inner = context.signal;
      context.onProgress?.({ doneBytes: 16, totalBytes: 64 });
      return never();
    }).catch((error: unknown) => error);
    await jest.advanceTimersByTimeAsync(STALL_MS - 1_000);
    const times = [startedAt, ...seen.map(({ atMs }) => atMs), performance.now()];
    expect(Math.max(...times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0)))).toBeLessThanOrEqual(5_000);
    expect(new Set(seen.map(({ doneBytes }) => doneBytes))).toEqual(new Set([16]));
    expect(inner?.aborted).toBe(false);
    await jest.advanceTimersByTimeAsync(5_000);
    expect(await outcome).toMatchObject({ code: 'REPOSITORY_UNREACHABLE', retry: 'later', message: expect.stringContaining('/r/vda.qcow2') as string });
    expect(inner?.aborted).toBe(true);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('may be slow', async () => {
    const outcome = watched({ path: '/r/vda.qcow2', signal: signal(), stallTimeoutMs: STALL_MS }, async (context) => {
      for (let doneBytes = 1; doneBytes <= 5; doneBytes += 1) {
        await new Promise((resolve) => setTimeout(resolve, STALL_MS - 4_000));
        context.onProgress?.({ doneBytes, totalBytes: 5 });
      }
      return 'read';
    });
    await jest.advanceTimersByTimeAsync(5 * STALL_MS);
    expect(await outcome).toBe('read');
  });

  it('is silent and patient while somebody else works', async () => {
    const seen: unknown[] = [];
    let waiting = true;
    const outcome = watched(
      { path: '/r/vda.qcow2', signal: signal(), onProgress: (progress) => void seen.push(progress), isWaiting: () => waiting, stallTimeoutMs: STALL_MS },
      never,
    ).catch((error: unknown) => error);
    await jest.advanceTimersByTimeAsync(10 * STALL_MS);
    expect(seen).toEqual([]);
    waiting = false;
    await jest.advanceTimersByTimeAsync(STALL_MS - 5_000);
    expect(seen.length).toBeGreaterThan(5);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(await outcome).toMatchObject({ code: 'REPOSITORY_UNREACHABLE' });
  });

  it('ends with the reason of an abort', async () => {
    const abort = new AbortController();
    const outcome = watched(
      { path: '/r/vda.qcow2', signal: abort.signal },
      ({ signal: inner }) => new Promise((_, reject) => inner.addEventListener('abort', () => reject(inner.reason))),
    ).catch((error: unknown) => error);
    abort.abort(new Error('cancelled by a person'));
    expect(await outcome).toEqual(new Error('cancelled by a person'));
    expect(jest.getTimerCount()).toBe(0);
  });
});
