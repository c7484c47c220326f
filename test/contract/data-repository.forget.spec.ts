import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { newId } from '../../src/contracts/ids';
import { resticOutcome } from '../../src/domain/restic-outcome';
import { DATA_TAG, dataSetTag, recoveryPointTag, type DataRepository } from '../../src/repositories/data/data-repository';
import { secretName } from '../../src/repositories/data/logins';
import { childEnvironment, findProgram, runCommand } from '../../src/system/child-process';
import { DataLab, flipByte, killChild, pause, untilLocked } from '../support/data-lab';
import { inFull } from '../support/thorough';
import { ArgvWatch, SecretHunt } from '../support/secret-hunt';
import { makeManifest } from './data-repository.contract';

jest.setTimeout(120_000);

interface Point {
  readonly id: string;
  readonly snapshotId: string;
  readonly root: string;
}

/** Every text an error shows, to people or to logs. */
const shown: string[] = [];
const failureOf = async (action: Promise<unknown>): Promise<{ readonly code: string; readonly retry: string; readonly message: string }> => {
  try {
    await action;
  } catch (error) {
    shown.push(JSON.stringify(error), String((error as Error).stack));
    return error as { readonly code: string; readonly retry: string; readonly message: string };
  }
  throw new Error('it did not fail');
};

const MEBIBYTE = 1024 * 1024;

describe('data repository: what goes for good', () => {
  let lab: DataLab;
  let repository: DataRepository;
  beforeAll(async () => {
    lab = await DataLab.start();
    repository = lab.repository;
  });
  afterAll(() => lab.dispose());

  const newServer = async (own = lab): Promise<string> => {
    const serverId = newId('srv');
    await own.repository.ensure(serverId);
    return serverId;
  };
  let made = 0;
  const publish = async (serverId: string, files: Readonly<Record<string, string | Buffer>>, own = lab): Promise<Point> => {
    made += 1;
    const [id, root] = [newId('rp'), own.files(`made-${made}`, files)];
    const snapshotId = await own.backUp(serverId, [root], { host: serverId, tags: [DATA_TAG, recoveryPointTag(id), dataSetTag('documents')] });
    await own.repository.publish(makeManifest(serverId, snapshotId, { recoveryPointId: id }));
    return { id, snapshotId, root };
  };
  const isThere = async (serverId: string, { id, snapshotId, root }: Point, files: Readonly<Record<string, string | Buffer>>, own = lab): Promise<void> => {
    await expect(own.repository.open(serverId, id)).resolves.toMatchObject({ snapshotId });
    await own.repository.readAll(serverId, snapshotId);
    const target = join(own.directory, `back-${randomBytes(4).toString('hex')}`);
    expect(await own.guest(await own.repository.access(serverId), ['restore', snapshotId, '--target', target])).toMatchObject({ exitCode: 0 });
    for (const [name, content] of Object.entries(files)) expect(readFileSync(join(target, root, name)).equals(Buffer.from(content))).toBe(true);
    rmSync(target, { recursive: true });
  };
  const isGone = async (serverId: string, { id }: Point, own = lab): Promise<void> => {
    await expect(own.repository.open(serverId, id)).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
    await expect(own.repository.snapshots(serverId, [recoveryPointTag(id)])).resolves.toEqual([]);
  };
  const storedBytes = (serverId: string, own = lab): number => own.storedFiles(serverId, 'data').reduce((sum, path) => sum + statSync(path).size, 0);
  /** Files of one recovery point, and of one that shares every second one with it: each pack is half needed. */
  const halves = (mebibytes: number): readonly [all: Record<string, Buffer>, half: Record<string, Buffer>] => {
    const files = Array.from({ length: mebibytes * 4 }, (_, index) => [`file-${String(index).padStart(4, '0')}`, randomBytes(MEBIBYTE / 4)] as const);
    return [Object.fromEntries(files), Object.fromEntries(files.filter((_, index) => index % 2 === 0))];
  };
  /** One whose prune takes a minute: it moves some kibibytes in a second. */
  const slow = (own = lab): DataRepository => {
    const program = join(own.directory, 'slow-restic');
    writeFileSync(program, '#!/bin/sh\ncase "$*" in *" prune "*) exec restic --limit-upload 200 "$@" ;; *) exec restic "$@" ;; esac\n');
    chmodSync(program, 0o755);
    return own.repositoryAt(own.server.url, { program });
  };
  /** The restic of this laboratory that makes room; its process id. */
  const untilPruning = async (serverId: string): Promise<number> => {
    for (const giveUpAt = Date.now() + 60_000; ; await pause(50)) {
      const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && isPrune(name, join(lab.stored, serverId)));
      // It writes: something was rewritten already.
      if (pid !== undefined && lab.storedFiles(serverId, 'locks').length > 0) {
        await pause(1_500);
        return Number(pid);
      }
      if (Date.now() > giveUpAt) throw new Error('no prune was seen');
    }
  };

  it("makes room in the storage; the guests' server goes on, lets nothing be removed, and opens with the key of before", async () => {
    const serverId = await newServer();
    const big = { 'data.bin': randomBytes(2 * MEBIBYTE) };
    const [going, staying] = [await publish(serverId, big), await publish(serverId, { small: 'content' })];
    const access = await repository.access(serverId);
    const before = storedBytes(serverId);
    await repository.forget(serverId, [going.id]);
    await isGone(serverId, going);
    expect(before - storedBytes(serverId)).toBeGreaterThan(2 * MEBIBYTE - 1024);
    await isThere(serverId, staying, { small: 'content' });
    expect(await repository.access(serverId)).toEqual(access);
    for (const type of ['snapshots', 'keys', 'index', 'data'] as const) {
      for (const path of lab.storedFiles(serverId, type)) expect(await removed(serverId, type, path.slice(path.lastIndexOf('/') + 1))).toBe(403);
    }
    await isThere(serverId, staying, { small: 'content' });
    // As restic by hand on this machine, and the server of the guests, find it.
    expect(statSync(lab.storedFiles(serverId, 'data')[0] ?? '').uid).toBe(process.geteuid?.());
    const next = await publish(serverId, big);
    await isThere(serverId, next, big);
  });

  inFull('has a key of its own, whose password no guest is given, and never more than one', async () => {
    const serverId = await newServer();
    const point = await publish(serverId, { a: 'a' });
    await repository.forget(serverId, [newId('rp')]);
    expect(lab.storedFiles(serverId, 'keys')).toHaveLength(2);
    const password = (await lab.secrets.read(secretName(serverId, 'maintenance'))) ?? '';
    expect(password).toHaveLength(32);
    const access = await repository.access(serverId);
    expect(JSON.stringify(access)).not.toContain(password);
    // It opens the repository.
    const env = { RESTIC_REPOSITORY: join(lab.stored, serverId), RESTIC_PASSWORD: password };
    expect((await runCommand(['restic', '--no-cache', '--no-lock', 'snapshots'], { env })).exitCode).toBe(0);
    // A death after the key was added, before anything was done with it; a password that was lost; a guest that says its key is ours.
    await repository.forget(serverId, []);
    expect(lab.storedFiles(serverId, 'keys')).toHaveLength(2);
    await lab.secrets.renew(secretName(serverId, 'maintenance'));
    const theirs = join(lab.directory, 'theirs');
    writeFileSync(theirs, 'the password of a guest');
    expect((await lab.guest(access, ['key', '--user', 'modosu', '--host', 'maintenance', '--new-password-file', theirs, 'add'])).exitCode).toBe(0);
    expect(lab.storedFiles(serverId, 'keys')).toHaveLength(3);
    await repository.forget(serverId, []);
    expect(lab.storedFiles(serverId, 'keys')).toHaveLength(2);
    await isThere(serverId, point, { a: 'a' });
  });

  it('a lock whose owner lives: nothing is removed, and the lock stays', async () => {
    const serverId = await newServer();
    const point = await publish(serverId, { 'data.bin': randomBytes(300_000) });
    await repository.forget(serverId, []);
    const owner = slowGuest(await repository.access(serverId), lab);
    try {
      await untilLocked(lab, serverId);
      await expect(failureOf(repository.forget(serverId, [point.id]))).resolves.toMatchObject({ code: 'DATA_REPOSITORY_LOCKED', retry: 'later' });
      expect(lab.storedFiles(serverId, 'locks')).toHaveLength(1);
      expect(lab.storedFiles(serverId, 'snapshots')).toHaveLength(2);
    } finally {
      await killChild(owner);
    }
  });

  it('a lock whose owner was killed is in the way of nobody: neither of this, nor of whoever reads from outside', async () => {
    const serverId = await newServer();
    const point = await publish(serverId, { 'data.bin': randomBytes(300_000) });
    for (const passes of [() => repository.snapshots(serverId, []), () => repository.forget(serverId, [point.id])]) {
      const owner = slowGuest(await repository.access(serverId), lab);
      await untilLocked(lab, serverId);
      await killChild(owner);
      expect(lab.storedFiles(serverId, 'locks')).toHaveLength(1);
      await passes();
      expect(lab.storedFiles(serverId, 'locks')).toEqual([]);
    }
    await isGone(serverId, point);
  });

  it('a backup that meets it is told to come again; it is given up at once by its signal, has lost nothing, and goes on when called again', async () => {
    const serverId = await newServer();
    const [all, half] = halves(12);
    const [going, staying] = [await publish(serverId, all), await publish(serverId, half)];
    const access = await repository.access(serverId);
    const stop = new AbortController();
    const forgetting = failureOf(slow().forget(serverId, [going.id], { signal: stop.signal }));
    await untilPruning(serverId);
    const met = await lab.guest(access, ['backup', '--tag', 'met', staying.root]);
    expect(resticOutcome({ version: '0.14.0', ...met })).toBe('locked');
    await expect(failureOf(repository.snapshots(serverId, []))).resolves.toMatchObject({ code: 'DATA_REPOSITORY_LOCKED', retry: 'later' });
    // Whoever reads without a lock is not told that anything is damaged, as soon as it is given up.
    stop.abort(new Error('somebody wants to save something'));
    await expect(forgetting).resolves.toMatchObject({ message: 'somebody wants to save something' });
    expect(lab.storedFiles(serverId, 'locks')).toEqual([]);
    await repository.check(serverId, { part: { number: 1, of: 1 } });
    await isThere(serverId, staying, half);
    expect((await lab.guest(access, ['backup', '--tag', 'met', staying.root])).exitCode).toBe(0);
    await repository.forget(serverId, [going.id]);
    await isGone(serverId, going);
    expect(storedBytes(serverId)).toBeLessThan(7 * MEBIBYTE);
    await isThere(serverId, staying, half);
  });

  inFull('dies in the middle: nothing that stays is lost, and the next call goes on', async () => {
    const serverId = await newServer();
    const [all, half] = halves(12);
    const [going, staying] = [await publish(serverId, all), await publish(serverId, half)];
    const forgetting = failureOf(slow().forget(serverId, [going.id]));
    process.kill(await untilPruning(serverId), 'SIGKILL');
    await expect(forgetting).resolves.toMatchObject({ code: 'DATA_REPOSITORY_FAILED', retry: 'later' });
    await isGone(serverId, going);
    await repository.check(serverId, { part: { number: 1, of: 1 } });
    await isThere(serverId, staying, half);
    expect(storedBytes(serverId)).toBeGreaterThan(12 * MEBIBYTE);
    await repository.forget(serverId, [going.id]);
    expect(storedBytes(serverId)).toBeLessThan(7 * MEBIBYTE);
    await isThere(serverId, staying, half);
  });

  const spoiled = async (spoil: (serverId: string) => void): Promise<void> => {
    const serverId = await newServer();
    const [going] = [await publish(serverId, { 'data.bin': randomBytes(300_000) }), await publish(serverId, { small: 'content' })];
    spoil(serverId);
    const before = ['data', 'snapshots'].flatMap((type) => lab.storedFiles(serverId, type as 'data')).toSorted();
    await expect(failureOf(repository.forget(serverId, [going.id]))).resolves.toMatchObject({
      code: 'RECOVERY_POINT_CORRUPT',
      message: expect.stringContaining('Nothing was removed') as string,
    });
    expect(['data', 'snapshots'].flatMap((type) => lab.storedFiles(serverId, type as 'data')).toSorted()).toEqual(before);
  };
  it('a pack is missing: nothing is removed', () => spoiled((serverId) => rmSync(lab.storedFiles(serverId, 'data')[0] ?? '')));
  inFull('a snapshot is damaged: nothing is removed', () => spoiled((serverId) => flipByte(lab.storedFiles(serverId, 'snapshots')[0] ?? '', 0.5)));

  it('files that another user owns are left alone: the server could not read what is written beside them', async () => {
    const serverId = await newServer();
    const point = await publish(serverId, { a: 'a' });
    const config = join(lab.stored, serverId, 'config');
    chownSync(config, 65_534, 65_534);
    await expect(failureOf(repository.forget(serverId, [point.id]))).resolves.toMatchObject({ code: 'CONFIG_INVALID' });
    chownSync(config, process.geteuid?.() ?? 0, process.getegid?.() ?? 0);
    await isThere(serverId, point, { a: 'a' });
  });

  describe('on storage that is nearly full', () => {
    let own: DataLab;
    const must = async (...argv: [string, ...string[]]): Promise<void> => expect(await runCommand(argv)).toMatchObject({ exitCode: 0 });
    beforeEach(async () => {
      own = await DataLab.start();
      await must('mount', '-t', 'tmpfs', '-o', 'size=64m,mode=700', 'tmpfs', own.stored);
    });
    afterEach(async () => {
      await runCommand(['umount', own.stored]);
      await own.dispose();
    });
    const filler = (): string => join(own.stored, 'filler');

    it('less than a tenth is free: nothing is removed, and the numbers are told', async () => {
      const serverId = await newServer(own);
      const point = await publish(serverId, { a: 'a' }, own);
      await must('fallocate', '-l', '60M', filler());
      await expect(failureOf(own.repository.forget(serverId, [point.id]))).resolves.toMatchObject({
        code: 'NOT_ENOUGH_SPACE',
        message: expect.stringMatching(/has (?:4|3\.\d) MiB free in .*; to remove recovery points from it takes 6\.5 MiB/) as string,
      });
      rmSync(filler());
      await isThere(serverId, point, { a: 'a' }, own);
    });

    it('it becomes full in the middle of the prune: nothing is lost, it is said, and the next call goes on', async () => {
      const serverId = await newServer(own);
      const [all, half] = halves(28);
      const [going, staying] = [await publish(serverId, all, own), await publish(serverId, half, own)];
      // A tenth is free, and 14 MiB are to be written anew.
      await must('fallocate', '-l', '26M', filler());
      await expect(failureOf(own.repository.forget(serverId, [going.id]))).resolves.toMatchObject({
        code: 'NOT_ENOUGH_SPACE',
        message: expect.stringContaining('became full while room was made in it. Nothing is lost') as string,
      });
      expect(own.storedFiles(serverId, 'locks')).toEqual([]);
      await isGone(serverId, going, own);
      await own.repository.check(serverId, { part: { number: 1, of: 1 } });
      await isThere(serverId, staying, half, own);
      rmSync(filler());
      await own.repository.forget(serverId, [going.id]);
      expect(storedBytes(serverId, own)).toBeLessThan(15 * MEBIBYTE);
      await isThere(serverId, staying, half, own);
    });
  });

  describe('of a server elsewhere', () => {
    inFull('goes over an endpoint of its own, and only over one that lets it', async () => {
      const serverId = await newServer();
      const [going, staying] = [await publish(serverId, { a: 'goes' }), await publish(serverId, { a: 'stays' })];
      const elsewhere = (maintenanceUrl: string | null) => lab.repositoryAt(lab.server.url, { directory: null, maintenanceUrl });
      expect(elsewhere(null).canForget()).toBe(false);
      await expect(failureOf(elsewhere(null).forget(serverId, [going.id]))).resolves.toMatchObject({ code: 'CONFIG_INVALID' });
      // The one of the guests: it takes the key, and lets nothing go.
      await expect(failureOf(elsewhere(lab.server.url).forget(serverId, [going.id]))).resolves.toMatchObject({ code: 'DATA_REPOSITORY_FAILED' });
      await isThere(serverId, going, { a: 'goes' });
      const url = await lab.startMaintenanceServer();
      expect(elsewhere(url).canForget()).toBe(true);
      await elsewhere(url).forget(serverId, [going.id]);
      await isGone(serverId, going);
      await isThere(serverId, staying, { a: 'stays' });
      expect(await removed(serverId, 'snapshots', staying.snapshotId)).toBe(403);
      await isThere(serverId, staying, { a: 'stays' });
    });
  });

  it('secrets stand in no argument of any process, and in no error', async () => {
    const serverId = await newServer();
    const point = await publish(serverId, { a: 'a' });
    const watch = new ArgvWatch();
    await repository.forget(serverId, [point.id]);
    await lab.repositoryAt(lab.server.url, { directory: null, maintenanceUrl: await lab.startMaintenanceServer() }).forget(serverId, [point.id]);
    const seen = watch.end();
    for (const command of ['check', 'forget', 'prune', 'key']) expect(seen).toMatch(new RegExp(`restic .*\\b${command}\\b`));
    const names = (await lab.secrets.list('data')).filter((name) => !/\/(?:repository-id|key-of-[0-9a-f]+)$/.test(name));
    expect(names.filter((name) => name.endsWith('/maintenance')).length).toBeGreaterThan(3);
    const hunt = new SecretHunt(new Map(await Promise.all(names.map(async (name) => [name, (await lab.secrets.read(name)) ?? ''] as const))));
    expect(hunt.in(seen)).toEqual([]);
    expect(shown.length).toBeGreaterThan(10);
    expect(hunt.in(shown.join('\n'))).toEqual([]);
  });

  /** What the guests' server answers to a guest that removes a file. */
  const removed = async (serverId: string, type: string, name: string): Promise<number> => {
    const login = `${serverId}:${await lab.secrets.read(secretName(serverId, 'login'))}`;
    const headers = { authorization: `Basic ${Buffer.from(login).toString('base64')}` };
    return (await fetch(`${lab.server.url}/${serverId}/${type}/${name}`, { method: 'DELETE', headers })).status;
  };
});

/** So slow that it holds its exclusive lock until it is ended. */
const slowGuest = (access: Awaited<ReturnType<DataRepository['access']>>, lab: DataLab): ChildProcess =>
  spawn(findProgram('restic'), ['--no-cache', '--limit-download', '1', 'check', '--read-data'], {
    env: childEnvironment(lab.guestEnv(access)),
    stdio: 'ignore',
  });

function isPrune(pid: string, repository: string): boolean {
  try {
    const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return (
      argv.includes('prune') &&
      basename(argv[0] ?? '') === 'restic' &&
      readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`RESTIC_REPOSITORY=${repository}`)
    );
  } catch {
    return false; // it has ended
  }
}
