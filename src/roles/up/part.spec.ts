import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '../../config/log';
import { Part, recordPathOf, type PartDefinition } from './part';

jest.setTimeout(30_000);

const log = createLog({ level: 'silent', role: 'test' });

const until = async (accept: () => boolean): Promise<void> => {
  const giveUpAt = Date.now() + 15_000;
  while (!accept()) {
    if (Date.now() > giveUpAt) throw new Error('not reached in time');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('Part', () => {
  let directory: string;
  let parts: Part[];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-part-'));
    parts = [];
  });
  afterEach(async () => {
    await Promise.all(parts.map((part) => part.stop()));
    rmSync(directory, { recursive: true, force: true });
  });

  /** A Node process as a part. It counts its lives in a file. */
  const partOf = (script: string, definition: Partial<PartDefinition> = {}): Part => {
    const counting = `require('node:fs').appendFileSync(${JSON.stringify(join(directory, 'lives'))}, process.pid + '\\n');`;
    const part = new Part(
      {
        name: 'thing',
        reports: true,
        command: () => ({ argv: [process.execPath, '-e', counting + script], env: { PATH: process.env.PATH } }),
        becomesReady: ({ saidReady }) => saidReady,
        stopSignals: [{ signal: 'SIGTERM', graceMs: 5_000 }],
        readyTimeoutMs: 20_000,
        ...definition,
      },
      { log, logs: directory, processes: directory },
    );
    parts.push(part);
    return part;
  };
  const lives = (): number[] => {
    try {
      return readFileSync(join(directory, 'lives'), 'utf8').trim().split('\n').map(Number);
    } catch {
      return [];
    }
  };
  const recordedPid = (): number | null => {
    try {
      return (JSON.parse(readFileSync(recordPathOf(directory, 'thing'), 'utf8')) as { readonly pid: number }).pid;
    } catch {
      return null;
    }
  };
  const SERVES = `process.send({ type: 'ready' }); setInterval(() => undefined, 1000);`;

  it('is ready when the process says so, is written down while it lives, and ends on SIGTERM', async () => {
    const part = partOf(SERVES);
    await part.start();
    const [pid] = lives();
    expect(recordedPid()).toBe(pid);
    await part.stop();
    expect(isAlive(pid ?? 0)).toBe(false);
    expect(recordedPid()).toBeNull();
    await part.stop();
  });

  it('is started again when it dies after it has served', async () => {
    const part = partOf(SERVES);
    await part.start();
    process.kill(lives()[0] ?? 0, 'SIGKILL');
    await until(() => lives().length === 2 && recordedPid() === lives()[1]);
    expect(isAlive(lives()[1] ?? 0)).toBe(true);
  });

  it('gives up at its first start after three attempts, with its last words', async () => {
    const part = partOf(`console.error('postgres://u:hunter2@h/d is no good'); process.exit(3);`);
    await expect(part.start()).rejects.toMatchObject({
      code: 'NOT_READY',
      message: expect.stringMatching(/exit code 3.*is no good/s) as string,
      hint: expect.stringContaining('thing.log') as string,
    });
    expect(lives()).toHaveLength(3);
    await expect(partOf(`console.error('postgres://u:hunter2@h/d is no good'); process.exit(3);`).start()).rejects.not.toMatchObject({
      message: expect.stringContaining('hunter2') as string,
    });
  });

  it('passes on the error that the process reports, and does not try again what cannot help', async () => {
    const error = { code: 'CONFIG_INVALID', message: 'that is wrong', hint: 'do this' };
    const part = partOf(`process.send({ type: 'failed', error: ${JSON.stringify(error)} }, () => process.exit(1));`);
    await expect(part.start()).rejects.toMatchObject(error);
    expect(lives()).toHaveLength(1);
  });

  it('ends a process that is never ready, and one that ignores SIGTERM', async () => {
    const part = partOf(`process.on('SIGTERM', () => undefined); setInterval(() => undefined, 1000);`, {
      readyTimeoutMs: 1_000,
      stopSignals: [{ signal: 'SIGTERM', graceMs: 100 }],
    });
    await expect(part.start()).rejects.toMatchObject({ code: 'NOT_READY', message: expect.stringContaining('did not serve within 1 s') as string });
    expect(lives().map(isAlive)).toEqual([false, false, false]);
  });

  it('can be stopped while it waits to be started again', async () => {
    const part = partOf(`process.exit(1);`);
    const starting = part.start();
    await until(() => lives().length >= 1);
    await part.stop();
    await expect(starting).rejects.toThrow();
    expect(recordedPid()).toBeNull();
  });

  it('says which program cannot be started', async () => {
    const part = partOf('', { command: () => ({ argv: [join(directory, 'absent')], env: {} }) });
    await expect(part.start()).rejects.toMatchObject({ message: expect.stringContaining('ENOENT') as string });
  });

  it('moves a log that has grown too large aside', async () => {
    writeFileSync(join(directory, 'thing.log'), Buffer.alloc(10 * 1024 * 1024 + 1, 'x'));
    await partOf(`console.log('fresh'); ${SERVES}`).start();
    expect(readFileSync(join(directory, 'thing.log.1'))).toHaveLength(10 * 1024 * 1024 + 1);
    expect(readFileSync(join(directory, 'thing.log'), 'utf8')).toBe('fresh\n');
  });
});
