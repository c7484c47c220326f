import { spawn, type ChildProcess } from 'node:child_process';
import { watchReading } from './reading-watch';

let program: ChildProcess;
let stop: AbortController;
beforeEach(() => {
  stop = new AbortController();
});
afterEach(() => {
  stop.abort();
  program?.kill('SIGKILL');
});

/** Resolves when it is told to have stalled, or with false after so long. */
const stalls = (pid: number, stallMs: number, withinMs: number): Promise<boolean> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), withinMs);
    watchReading(
      pid,
      stop.signal,
      (forMs) => {
        if (forMs < stallMs) return;
        clearTimeout(timer);
        resolve(true);
      },
      20,
    );
  });

it('tells a program that reads nothing any more', async () => {
  program = spawn('sleep', ['60'], { stdio: 'ignore' });
  expect(await stalls(program.pid ?? 0, 200, 10_000)).toBe(true);
});

it('leaves one that reads', async () => {
  program = spawn('cat', ['/dev/zero'], { stdio: 'ignore' });
  expect(await stalls(program.pid ?? 0, 500, 1_500)).toBe(false);
});

it('takes one that is gone, or cannot be looked at, for none that has stalled; ends with the signal', async () => {
  expect(await stalls(2 ** 22 + 1, 50, 500)).toBe(false);
  program = spawn('sleep', ['60'], { stdio: 'ignore' });
  const told = stalls(program.pid ?? 0, 300, 800);
  stop.abort();
  expect(await told).toBe(false);
});
