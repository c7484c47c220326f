import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileExists } from './files';
import { endOrphan, forgetProcess, recordProcess } from './process-record';

describe('records of running processes', () => {
  let directory: string;
  let path: string;
  let child: ChildProcess;
  let pid: number;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'modosu-record-'));
    path = join(directory, 'deep', 'copy.json');
    child = spawn('sleep', ['300'], { stdio: 'ignore' });
    pid = child.pid as number;
  });
  afterEach(async () => {
    child.kill('SIGKILL');
    await rm(directory, { recursive: true });
  });

  const edit = async (change: Record<string, unknown>): Promise<void> => {
    await writeFile(path, JSON.stringify({ ...(JSON.parse(await readFile(path, 'utf8')) as object), ...change }));
  };
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;

  it('ends exactly the process that was recorded and forgets it', async () => {
    const gone = new Promise((resolve) => child.once('exit', (_code, signal) => resolve(signal)));
    await recordProcess(path, pid, 'a copy');
    expect(await endOrphan(path)).toBe(true);
    expect(await gone).toBe('SIGKILL');
    expect(await fileExists(path)).toBe(false);
    expect(await endOrphan(path)).toBe(false);
  });

  it.each([
    ['another start time', { startTicks: '1' }],
    ['another boot', { bootId: '00000000-0000-0000-0000-000000000000' }],
    ['an absurd id', { pid: -1 }],
    ['the id of init', { pid: 1 }],
  ])('never kills a process because of %s', async (_what, change) => {
    await recordProcess(path, pid, 'a copy');
    await edit(change);
    expect(await endOrphan(path)).toBe(false);
    expect(isRunning()).toBe(true);
    expect(await fileExists(path)).toBe(false);
  });

  it('takes a torn record for none', async () => {
    await recordProcess(path, pid, 'a copy');
    await writeFile(path, '{"pid":');
    expect(await endOrphan(path)).toBe(false);
    expect(isRunning()).toBe(true);
  });

  it('forgets only its own process', async () => {
    await recordProcess(path, pid, 'a copy');
    await forgetProcess(path, pid + 1);
    expect(await fileExists(path)).toBe(true);
    await forgetProcess(path, pid);
    expect(await fileExists(path)).toBe(false);
    await forgetProcess(path, pid);
  });
});
