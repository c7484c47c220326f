import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '../../config/log';
import { recordProcess } from '../../system/process-record';
import { endLeftovers, freeDataDirectory } from './leftovers';

const log = createLog({ level: 'silent', role: 'test' });

describe('what an earlier life has left', () => {
  let directory: string;
  const children: ChildProcess[] = [];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-leftovers-'));
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  });

  const sleeper = (): ChildProcess & { readonly pid: number } => {
    const child = spawn('sleep', ['300'], { stdio: 'ignore' });
    children.push(child);
    if (child.pid === undefined) throw new Error('sleep cannot be started');
    return child as ChildProcess & { readonly pid: number };
  };
  const ended = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

  it('is ended when boot, process id and start time are those written down', async () => {
    const child = sleeper();
    const path = join(directory, 'temporal.json');
    await recordProcess(path, child.pid, 'modosu temporal');
    await endLeftovers(directory, log);
    expect(child.signalCode).toBe('SIGINT');
    expect(existsSync(path)).toBe(false);
  });

  it.each(['startTicks', 'bootId'])('is left alone when the process id belongs to somebody else now (%s differs)', async (field) => {
    const child = sleeper();
    const path = join(directory, 'temporal.json');
    await recordProcess(path, child.pid, 'modosu temporal');
    writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), [field]: '1' }));
    await endLeftovers(directory, log);
    expect(ended(child)).toBe(false);
    expect(existsSync(path)).toBe(false);
  });

  it('may be a damaged record: it names nobody and is removed', async () => {
    writeFileSync(join(directory, 'api.json'), '{"pid":');
    await endLeftovers(directory, log);
    expect(existsSync(join(directory, 'api.json'))).toBe(false);
  });

  it('may be a postmaster.pid: removed when its process is gone or is another program', async () => {
    const child = sleeper();
    const data = join(directory, 'postgres');
    mkdirSync(data);
    for (const pid of [String(child.pid), '999999999', 'nonsense', '-1', '']) {
      writeFileSync(join(data, 'postmaster.pid'), `${pid}\n${data}\n`);
      await freeDataDirectory(data, log);
      expect(existsSync(join(data, 'postmaster.pid'))).toBe(false);
    }
    expect(ended(child)).toBe(false);
    await freeDataDirectory(data, log);
  });

  it('may be a PostgreSQL server on this very directory, which is shut down; one on another directory is left alone', async () => {
    const data = join(directory, 'postgres');
    mkdirSync(data);
    const server = (dataDirectory: string): ChildProcess => {
      // Named like the server: only its arguments matter here.
      const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)', '--', '-D', dataDirectory], {
        argv0: '/usr/lib/postgresql/bin/postgres',
        stdio: 'ignore',
      });
      children.push(child);
      return child;
    };
    const other = server(join(directory, 'other'));
    writeFileSync(join(data, 'postmaster.pid'), `${other.pid}\n`);
    await freeDataDirectory(data, log);
    expect(ended(other)).toBe(false);

    const ours = server(data);
    writeFileSync(join(data, 'postmaster.pid'), `${ours.pid}\n`);
    await freeDataDirectory(data, log);
    // It is gone when this returns; this process may hear of it a moment later.
    if (ours.signalCode === null) await once(ours, 'exit');
    expect(ours.signalCode).toBe('SIGINT');
  });
});
