import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { acquireStateLock, type StateLock } from './state-lock';

jest.setTimeout(20_000);

describe('acquireStateLock', () => {
  let directory: string;
  let path: string;
  const held: StateLock[] = [];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-lock-'));
    path = join(directory, 'lock');
  });
  afterEach(async () => {
    await Promise.all(held.splice(0).map((lock) => lock.release()));
    rmSync(directory, { recursive: true, force: true });
  });
  const acquire = async (): Promise<StateLock> => {
    const lock = await acquireStateLock(path);
    held.push(lock);
    return lock;
  };

  it('is given to one at a time, and names the holder to the next', async () => {
    await acquire();
    expect(readFileSync(path, 'utf8').trim()).toBe(String(process.pid));
    await expect(acquireStateLock(path)).rejects.toMatchObject({
      code: 'ALREADY_RUNNING',
      message: expect.stringContaining(`process ${process.pid}`) as string,
    });
  });

  it('can be taken again after it was released', async () => {
    await (await acquire()).release();
    await expect(acquire()).resolves.toBeDefined();
  });

  it('is free at once when its holder was killed', async () => {
    // The holder of another process: it takes the lock the same way and dies without releasing it.
    const script = `const c = require('node:child_process').spawn('flock', ['--no-fork', '--nonblock', process.argv[1], 'cat'], { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
      c.stdin.write('held\\n'); c.stdout.once('data', () => process.kill(process.pid, 'SIGKILL'));`;
    expect(spawnSync(process.execPath, ['-e', script, path]).signal).toBe('SIGKILL');
    await expect(acquire()).resolves.toBeDefined();
  });

  it('says when it cannot be taken at all', async () => {
    await expect(acquireStateLock(join(directory, 'absent', 'lock'))).rejects.toMatchObject({ code: 'STATE_DIRECTORY_UNUSABLE' });
  });
});
