import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { newId } from '../../src/contracts/ids';
import { resticOutcome } from '../../src/domain/restic-outcome';
import { MANIFEST_TAG, recoveryPointTag, type DataRepository } from '../../src/repositories/data/data-repository';
import { secretName } from '../../src/repositories/data/logins';
import { childEnvironment, findProgram, runCommand, type CommandOutcome } from '../../src/system/child-process';
import { DataLab, flipByte, freePort, killChild, pause, untilLocked } from '../support/data-lab';
import { makeManifest } from './data-repository.contract';

jest.setTimeout(180_000);

/** Every text an error shows, to people or to logs. */
const shown: string[] = [];
const failureOf = async (action: Promise<unknown>): Promise<{ readonly code: string; readonly retry: string; readonly message: string }> => {
  try {
    await action;
  } catch (error) {
    shown.push(JSON.stringify(error), String((error as Error).stack), JSON.stringify((error as { summary?: () => unknown }).summary?.()));
    return error as { readonly code: string; readonly retry: string; readonly message: string };
  }
  throw new Error('it did not fail');
};
const outcomeOf = ({ exitCode, stderr }: CommandOutcome) => resticOutcome({ version: '0.14.0', exitCode, stderr });

describe('data repository: what can go wrong', () => {
  let lab: DataLab;
  let repository: DataRepository;
  beforeAll(async () => {
    lab = await DataLab.start();
    repository = lab.repository;
  });
  afterAll(() => lab.dispose());

  const newServer = async (): Promise<string> => {
    const serverId = newId('srv');
    await repository.ensure(serverId);
    return serverId;
  };
  /** Cannot be compressed: its pack is larger than that of the directories. */
  const content = randomBytes(300_000);

  it('wants room on its storage before anything is saved, when that is on this machine', async () => {
    await expect(repository.requireRoom()).resolves.toBeUndefined();
    await expect(lab.repositoryAt('http://127.0.0.1:1', { directory: null }).requireRoom()).resolves.toBeUndefined();
    const small = join(lab.directory, 'small');
    mkdirSync(small);
    expect((await runCommand(['mount', '-t', 'tmpfs', '-o', 'size=16m', 'small', small])).exitCode).toBe(0);
    try {
      await expect(lab.repositoryAt('http://127.0.0.1:1', { directory: small }).requireRoom()).rejects.toMatchObject({
        code: 'NOT_ENOUGH_SPACE',
        message: expect.stringContaining('16 MiB free') as string,
      });
    } finally {
      await runCommand(['umount', small]);
    }
  });

  it.each([
    ['its storage is full to the last block', 'full'],
    ['its storage can only be read', 'read-only'],
  ] as const)('gives back what it has while %s, where restic has no place for its lock', async (_words, state) => {
    const own = await DataLab.start();
    const must = async (...argv: [string, ...string[]]): Promise<void> => expect(await runCommand(argv)).toMatchObject({ exitCode: 0 });
    await must('mount', '-t', 'tmpfs', '-o', 'size=24m,mode=700', 'tmpfs', own.stored);
    try {
      const serverId = newId('srv');
      await own.repository.ensure(serverId);
      const root = own.files('kept', { 'data.bin': content, 'sub/other': 'other' });
      const snapshotId = await own.backUp(serverId, [root]);
      // Of a restic that was killed: in the way of a backup, never of a restore.
      const owner = spawn(findProgram('restic'), ['--no-cache', '--limit-download', '1', 'check', '--read-data'], {
        env: childEnvironment(own.guestEnv(await own.repository.access(serverId))),
        stdio: 'ignore',
      });
      await untilLocked(own, serverId);
      await killChild(owner);
      if (state === 'full') await runCommand(['dd', 'if=/dev/zero', `of=${join(own.stored, 'filler')}`, 'bs=4096']);
      else await must('mount', '-o', 'remount,ro', own.stored);
      // The moment is there: nobody can write a lock.
      const lock = await fetch(`${own.server.url}/${serverId}/locks/${'0'.repeat(64)}`, {
        method: 'POST',
        body: 'x'.repeat(200),
        headers: { authorization: `Basic ${Buffer.from(`${serverId}:${await own.secrets.read(secretName(serverId, 'login'))}`).toString('base64')}` },
      });
      expect(lock.status).toBeGreaterThanOrEqual(400);

      await own.repository.removeStaleLocks(serverId);
      expect((await own.repository.snapshots(serverId, ['taken'])).map(({ id }) => id)).toEqual([snapshotId]);
      expect((await own.repository.list(serverId, snapshotId, [root], { maxEntries: 10 })).map(({ path }) => path)).toEqual([
        root,
        `${root}/data.bin`,
        `${root}/sub`,
        `${root}/sub/other`,
      ]);
      expect((await own.repository.read(serverId, snapshotId, `${root}/data.bin`, { maxBytes: 1_000_000 })).equals(content)).toBe(true);
      expect(await own.repository.sizeOf(serverId, snapshotId)).toEqual({ files: 2, totalBytes: content.length + 5 });
      const access = await own.repository.access(serverId);
      expect(access.canLock).toBe(false);
      const target = join(own.directory, 'back');
      expect(await own.guest(access, ['restore', snapshotId, '--target', target, '--no-lock'])).toMatchObject({ exitCode: 0 });
      expect(readFileSync(join(target, root, 'data.bin')).equals(content)).toBe(true);
    } finally {
      await runCommand(['umount', own.stored]);
      await own.dispose();
    }
  });

  describe('one server', () => {
    let serverId: string;
    let root: string;
    let snapshotId: string;
    beforeAll(async () => {
      serverId = await newServer();
      root = lab.files('one', { 'data.bin': content, 'sub/other': 'other' });
      snapshotId = await lab.backUp(serverId, [root]);
    });

    it('its logins are hashes in a private file, known to the running server as soon as they are written', async () => {
      const logins = readFileSync(lab.htpasswdFile, 'utf8');
      expect(statSync(lab.htpasswdFile).mode & 0o777).toBe(0o600);
      expect(logins).toMatch(new RegExp(`^${serverId}:\\$2y\\$`, 'm'));
      for (const name of await lab.secrets.list('data')) expect(logins).not.toContain(await lab.secrets.read(name));
      const another = { name: newId('srv'), password: await lab.secrets.getOrMake('unused') };
      await expect(lab.server.look(another, another.name)).resolves.toBe('login-refused');
      await expect(lab.server.look({ name: serverId, password: 'wrong' }, serverId)).resolves.toBe('login-refused');
      await expect(lab.server.look(null, serverId)).resolves.toBe('login-refused');
    });

    it('the server of the repository is down, and back', async () => {
      await lab.stopServer();
      for (const attempt of [
        repository.probe(),
        repository.snapshots(serverId, []),
        repository.ensure(serverId),
        repository.access(serverId),
        repository.open(serverId, newId('rp')),
      ]) {
        await expect(failureOf(attempt)).resolves.toMatchObject({ code: 'DATA_REPOSITORY_UNREACHABLE', retry: 'later' });
      }
      // By hand, from the directory alone.
      const byHand = {
        RESTIC_REPOSITORY: join(lab.stored, serverId),
        RESTIC_PASSWORD_FILE: join(lab.directory, 'secrets', secretName(serverId, 'repository')),
      };
      const { exitCode, stdout } = await runCommand(['restic', '--no-cache', '--no-lock', 'dump', snapshotId, `${root}/sub/other`], { env: byHand });
      expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: 'other' });
      await lab.startServer();
      await expect(repository.snapshots(serverId, [])).resolves.toHaveLength(1);
    });

    it('restic itself meets a server that is down', async () => {
      const access = await repository.access(serverId);
      const elsewhere = { RESTIC_REPOSITORY: access.env.RESTIC_REPOSITORY?.replace(/:\d+\/srv/, `:${await freePort()}/srv`) ?? '' };
      expect(outcomeOf(await lab.guest(access, ['snapshots'], elsewhere))).toBe('unreachable');
    });

    it("one server's login neither reads nor writes another one's repository", async () => {
      const other = await newServer();
      const [mine, theirs] = await Promise.all([repository.access(serverId), repository.access(other)]);
      const strange = {
        RESTIC_REPOSITORY: mine.env.RESTIC_REPOSITORY?.replace(`/${serverId}/`, `/${other}/`) ?? '',
        RESTIC_PASSWORD: theirs.env.RESTIC_PASSWORD ?? '',
      };
      expect(strange.RESTIC_REPOSITORY).not.toBe(mine.env.RESTIC_REPOSITORY);
      for (const args of [['snapshots'], ['backup', root], ['init']]) expect(outcomeOf(await lab.guest(mine, args, strange))).toBe('wrong-password');
      await expect(repository.snapshots(other, [])).resolves.toEqual([]);
      const login = await loginOf(serverId);
      for (const path of [
        `/${serverId}/../${other}/config`,
        `/${serverId}/%2e%2e/${other}/config`,
        `//${other}/config`,
        `/${other}/../${serverId}/../${other}/config`,
      ]) {
        expect(await ask(login, 'GET', path)).not.toBe(200);
      }
    });

    it('nothing is removed and nothing overwritten', async () => {
      const login = await loginOf(serverId);
      const files = ['data', 'index', 'keys', 'snapshots'].flatMap((type) => lab.storedFiles(serverId, type as 'data'));
      const before = [...files, join(lab.stored, serverId, 'config')].map((path) => ({ path, content: readFileSync(path) }));
      for (const { path } of before) {
        const url = path.slice(lab.stored.length).replace(/\/data\/[0-9a-f]{2}\//, '/data/');
        expect(await ask(login, 'DELETE', url)).toBe(403);
        expect(await ask(login, 'POST', url, 'overwritten')).toBe(403);
      }
      expect(await ask(login, 'DELETE', `/${serverId}/`)).not.toBe(200);
      expect(await ask(login, 'DELETE', `/${serverId}/locks/../config`)).not.toBe(200);
      for (const { path, content } of before) expect(readFileSync(path).equals(content)).toBe(true);
    });

    it('keys that a guest adds lock nobody out', async () => {
      const own = await newServer();
      const snapshotId = await lab.backUp(own, [root]);
      const login = await loginOf(own);
      expect(await ask(login, 'POST', `/${own}/keys/${'0'.repeat(64)}`, 'this is no key')).toBe(200);
      const access = await repository.access(own);
      const { RESTIC_KEY_HINT: hint, ...unhinted } = access.env;
      expect(lab.storedFiles(own, 'keys').some((file) => file.endsWith(`/${hint}`))).toBe(true);
      // What it does to whoever does not name the key.
      expect((await lab.guest({ ...access, env: unhinted }, ['snapshots'])).exitCode).not.toBe(0);
      expect((await lab.guest(access, ['snapshots'])).exitCode).toBe(0);
      // Also to a worker that has just started.
      const fresh = lab.repositoryAt((await repository.probe()).address);
      await expect(fresh.list(own, snapshotId, [root], { maxEntries: 10 })).resolves.toHaveLength(4);
      await expect(fresh.ensure(own)).resolves.toBeUndefined();
    });

    it('two guests with the same host name do not mix', async () => {
      const twin = await newServer();
      const mine = await lab.backUp(serverId, [root], { host: 'localhost', tags: ['twin'] });
      const theirs = await lab.backUp(twin, [lab.files('twin', { 'data.bin': 'of the twin' })], { host: 'localhost', tags: ['twin'] });
      expect((await repository.snapshots(serverId, ['twin'])).map(({ id, hostname }) => ({ id, hostname }))).toEqual([{ id: mine, hostname: 'localhost' }]);
      expect((await repository.snapshots(twin, ['twin'])).map(({ id }) => id)).toEqual([theirs]);
      await expect(failureOf(repository.list(serverId, theirs, ['/'], { maxEntries: 100 }))).resolves.toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE' });
    });

    it('a lock whose owner lives is respected; one whose owner was killed is removed', async () => {
      const access = await repository.access(serverId);
      // So slow that it holds its exclusive lock until it is ended.
      const owner = spawn(findProgram('restic'), ['--no-cache', '--limit-download', '1', 'check', '--read-data'], {
        env: childEnvironment(lab.guestEnv(access)),
        stdio: 'ignore',
      });
      try {
        await untilLocked(lab, serverId);
        await expect(failureOf(repository.snapshots(serverId, []))).resolves.toMatchObject({ code: 'DATA_REPOSITORY_LOCKED', retry: 'later' });
        await expect(failureOf(repository.publish(makeManifest(serverId, snapshotId)))).resolves.toMatchObject({ code: 'DATA_REPOSITORY_LOCKED' });
        await repository.removeStaleLocks(serverId);
        expect(lab.storedFiles(serverId, 'locks')).toHaveLength(1);
        expect(owner.exitCode ?? owner.signalCode).toBeNull();
        // A guest is told where its repository is all the same.
        await expect(repository.access(serverId)).resolves.toEqual(access);
        await killChild(owner);
        await repository.removeStaleLocks(serverId);
        expect(lab.storedFiles(serverId, 'locks')).toEqual([]);
        await expect(repository.snapshots(serverId, ['taken'])).resolves.toHaveLength(1);
      } finally {
        await killChild(owner);
      }
    });

    it('secrets stand in no argument of any process, and in no error', async () => {
      const { secrets } = await repository.access(serverId);
      const all = [...secrets, (await lab.secrets.read(secretName(serverId, 'manifest'))) ?? ''];
      const seen: string[] = [];
      let working = true;
      const work = repository
        .publish(makeManifest(serverId, snapshotId))
        .then(() => repository.read(serverId, snapshotId, `${root}/data.bin`, { maxBytes: 300_000 }))
        .finally(() => (working = false));
      while (working) {
        for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) seen.push(readQuietly(`/proc/${pid}/cmdline`).replaceAll('\0', ' '));
        await pause(20);
      }
      await expect(work).resolves.toEqual(content);
      for (const command of ['backup', 'dump', 'snapshots', 'serve restic']) {
        expect(seen.some((line) => line.includes('restic') && line.includes(command))).toBe(true);
      }
      expect(all.filter((secret) => secret === '' || seen.some((line) => line.includes(secret)))).toEqual([]);
    });
  });

  describe('its secrets', () => {
    it('another password than the one the repository was made with is told from a missing repository', async () => {
      const serverId = await newServer();
      await lab.secrets.renew(secretName(serverId, 'repository'));
      const wrong = { code: 'DATA_REPOSITORY_KEY_WRONG', retry: 'never' };
      await expect(failureOf(repository.snapshots(serverId, []))).resolves.toMatchObject(wrong);
      await expect(failureOf(repository.access(serverId))).resolves.toMatchObject(wrong);
      await expect(failureOf(repository.ensure(serverId))).resolves.toMatchObject(wrong);
      await lab.secrets.renew(secretName(serverId, 'login'));
      await expect(failureOf(repository.snapshots(serverId, []))).resolves.toMatchObject({
        ...wrong,
        message: expect.stringContaining('refuses the login') as string,
      });
    });

    it('a repository that is gone is not made again; one that never was, is', async () => {
      const serverId = await newServer();
      const access = await repository.access(serverId);
      rmSync(join(lab.stored, serverId), { recursive: true });
      const gone = { code: 'DATA_REPOSITORY_UNREACHABLE', message: expect.stringContaining('not there any more') as string };
      for (const attempt of [repository.snapshots(serverId, []), repository.ensure(serverId)]) await expect(failureOf(attempt)).resolves.toMatchObject(gone);
      expect(existsSync(join(lab.stored, serverId))).toBe(false);
      expect(outcomeOf(await lab.guest(access, ['snapshots']))).toBe('no-repository');
      // Another repository in its place.
      rmSync(join(lab.directory, 'secrets', secretName(serverId, 'repository-id')));
      await expect(failureOf(repository.snapshots(serverId, []))).resolves.toMatchObject({ code: 'DATA_REPOSITORY_MISSING' });
      await repository.ensure(serverId);
      await expect(repository.snapshots(serverId, [])).resolves.toEqual([]);
    });

    it('one that has lost its config alone is not given up: what is left of it lies in the way', async () => {
      const serverId = await newServer();
      const password = await lab.secrets.read(secretName(serverId, 'repository'));
      rmSync(join(lab.stored, serverId, 'config'));
      await expect(failureOf(repository.giveUp(serverId))).resolves.toMatchObject({
        code: 'REQUEST_INVALID',
        hint: expect.stringContaining(serverId) as string,
      });
      await expect(failureOf(repository.ensure(serverId))).resolves.toMatchObject({ code: 'DATA_REPOSITORY_UNREACHABLE' });
      rmSync(join(lab.stored, serverId), { recursive: true });
      await repository.giveUp(serverId);
      expect((await lab.secrets.list(`data/${serverId}`)).filter((name) => name.includes('given-up'))).toHaveLength(1);
      const kept = (await lab.secrets.list(`data/${serverId}`)).find((name) => name.includes('given-up')) ?? '';
      await expect(lab.secrets.read(kept)).resolves.toBe(password);
    });

    it('a key without a repository, left by a death while one was made, is no obstacle', async () => {
      const serverId = await newServer();
      for (const path of [join(lab.directory, 'secrets', secretName(serverId, 'repository-id')), join(lab.stored, serverId, 'config')]) rmSync(path);
      await repository.ensure(serverId);
      expect(lab.storedFiles(serverId, 'keys')).toHaveLength(2);
      const root = lab.files('again', { file: 'content' });
      await expect(repository.read(serverId, await lab.backUp(serverId, [root]), `${root}/file`, { maxBytes: 100 })).resolves.toEqual(Buffer.from('content'));
    });
  });

  describe('damage', () => {
    it('in a pack of data, of trees, in a snapshot, and a pack that is missing', async () => {
      const serverId = await newServer();
      const root = lab.files('damaged', { 'data.bin': content });
      const snapshotId = await lab.backUp(serverId, [root]);
      const corrupt = { code: 'RECOVERY_POINT_CORRUPT', retry: 'never' };
      const [data, trees] = lab.storedFiles(serverId, 'data');
      const spoilt = async (path: string, check: () => Promise<void>): Promise<void> => {
        flipByte(path, 0.3);
        await check();
        flipByte(path, 0.3);
      };
      const read = () => repository.read(serverId, snapshotId, `${root}/data.bin`, { maxBytes: 300_000 });
      await spoilt(data ?? '', async () => {
        await expect(failureOf(read())).resolves.toMatchObject(corrupt);
        const restored = await lab.guest(await repository.access(serverId), ['restore', snapshotId, '--target', join(lab.directory, 'restored')]);
        expect(outcomeOf(restored)).toBe('damaged');
      });
      await spoilt(trees ?? '', async () => expect(await failureOf(repository.list(serverId, snapshotId, [root], { maxEntries: 10 }))).toMatchObject(corrupt));
      await spoilt(join(lab.stored, serverId, 'snapshots', snapshotId), async () => {
        await expect(failureOf(repository.list(serverId, snapshotId, [root], { maxEntries: 10 }))).resolves.toMatchObject(corrupt);
        // It may be the one: nobody may say "not found".
        await expect(failureOf(repository.open(serverId, newId('rp')))).resolves.toMatchObject(corrupt);
      });
      await expect(read()).resolves.toEqual(content);
      rmSync(data ?? '');
      await expect(failureOf(read())).resolves.toMatchObject(corrupt);
    });
  });

  describe('reading again', () => {
    it('finds which snapshots need what is damaged or missing, and leaves the others', async () => {
      const serverId = await newServer();
      const whole = await lab.backUp(serverId, [lab.files('whole', { small: 'content' })]);
      const before = new Set(lab.storedFiles(serverId, 'data'));
      const spoilt = await lab.backUp(serverId, [lab.files('spoilt', { 'data.bin': content })]);
      const corrupt = { code: 'RECOVERY_POINT_CORRUPT', retry: 'never' };
      const [largest] = lab
        .storedFiles(serverId, 'data')
        .filter((path) => !before.has(path))
        .toSorted((a, b) => statSync(b).size - statSync(a).size);
      const everything = { part: { number: 1, of: 1 } };
      await repository.check(serverId, everything);
      flipByte(largest ?? '', 0.3);
      // That nothing is missing does not show it.
      await repository.check(serverId, { part: null });
      await expect(failureOf(repository.check(serverId, everything))).resolves.toMatchObject(corrupt);
      await expect(failureOf(repository.readAll(serverId, spoilt))).resolves.toMatchObject(corrupt);
      await repository.readAll(serverId, whole);
      rmSync(largest ?? '');
      await expect(failureOf(repository.check(serverId, { part: null }))).resolves.toMatchObject(corrupt);
      await expect(failureOf(repository.readAll(serverId, spoilt))).resolves.toMatchObject(corrupt);
      await repository.readAll(serverId, whole);
    });

    it('says of a server that is down that it is down, never that anything is damaged', async () => {
      const serverId = await newServer();
      const snapshotId = await lab.backUp(serverId, [lab.files('reachable', { small: 'content' })]);
      await lab.stopServer();
      try {
        const away = { code: 'DATA_REPOSITORY_UNREACHABLE', retry: 'later' };
        await expect(failureOf(repository.check(serverId, { part: { number: 1, of: 1 } }))).resolves.toMatchObject(away);
        await expect(failureOf(repository.readAll(serverId, snapshotId))).resolves.toMatchObject(away);
      } finally {
        await lab.startServer();
      }
      await repository.readAll(serverId, snapshotId);
    });
  });

  describe('a guest that writes manifests', () => {
    it('does not get one believed, neither before ours nor after it', async () => {
      const serverId = await newServer();
      const manifest = makeManifest(serverId, 'ab'.repeat(32));
      const { recoveryPointId } = manifest;
      const forged = JSON.stringify({ ...manifest, snapshotId: 'cd'.repeat(32) });
      const access = await repository.access(serverId);
      const forge = async (tags: readonly string[], time: string): Promise<void> => {
        const file = lab.files('forged', { 'manifest.json': forged });
        const outcome = await lab.guest(access, [
          'backup',
          '--host',
          'modosu',
          '--time',
          time,
          '--tag',
          [MANIFEST_TAG, recoveryPointTag(recoveryPointId), ...tags].join(','),
          file,
        ]);
        expect(outcome.exitCode).toBe(0);
      };
      await forge([], '2000-01-01 00:00:00');
      await expect(failureOf(repository.open(serverId, recoveryPointId))).resolves.toMatchObject({
        code: 'RECOVERY_POINT_CORRUPT',
        message: expect.stringContaining('not written by Modosu') as string,
      });
      await repository.publish(manifest);
      const [ours] = (await repository.snapshots(serverId, [MANIFEST_TAG])).filter(({ tags }) => tags.length === 4);
      await forge(ours?.tags.filter((tag) => tag.startsWith('modosu-manifest-mac=')) ?? [], '2000-01-02 00:00:00');
      await expect(repository.open(serverId, recoveryPointId)).resolves.toEqual(manifest);
    });
  });

  it('no error has shown a secret', async () => {
    expect(shown.length).toBeGreaterThan(20);
    const secrets = await Promise.all(
      (await lab.secrets.list('data')).filter((name) => !name.endsWith('/repository-id')).map((name) => lab.secrets.read(name)),
    );
    expect(secrets.filter((secret) => shown.some((text) => text.includes(secret ?? '')))).toEqual([]);
  });

  const loginOf = async (name: string) => ({ name, password: (await lab.secrets.read(secretName(name, 'login'))) ?? '' });

  /** The path as it is, without any tidying up. */
  const ask = ({ name, password }: { readonly name: string; readonly password: string }, method: string, path: string, body?: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(lab.server.url);
      const asked = request({ hostname, port, method, path, auth: `${name}:${password}`, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      asked.once('error', reject);
      asked.end(body);
    });
});

describe('data repository over TLS', () => {
  it('works from end to end with a certificate of its own, and only with it', async () => {
    const lab = await DataLab.start({ tls: true });
    try {
      const serverId = newId('srv');
      await lab.repository.ensure(serverId);
      const access = await lab.repository.access(serverId);
      expect(access.env.RESTIC_REPOSITORY).toMatch(/^rest:https:/);
      expect(access.caCertificate).toMatch(/^-----BEGIN CERTIFICATE-----/);
      const root = lab.files('tls', { file: 'over TLS' });
      const snapshotId = await lab.backUp(serverId, [root]);
      const manifest = makeManifest(serverId, snapshotId);
      await lab.repository.publish(manifest);
      await expect(lab.repository.open(serverId, manifest.recoveryPointId)).resolves.toEqual(manifest);
      const stranger = await lab.guest(
        { ...access, env: { RESTIC_REPOSITORY: access.env.RESTIC_REPOSITORY ?? '', RESTIC_PASSWORD: access.env.RESTIC_PASSWORD ?? '' } },
        ['snapshots'],
      );
      expect(outcomeOf(stranger)).toBe('unreachable');
      expect(stranger.stderr).toContain('x509');
      const plain = lab.repositoryAt(lab.server.url.replace('https:', 'http:'));
      await expect(failureOf(plain.snapshots(serverId, []))).resolves.toMatchObject({ code: 'DATA_REPOSITORY_UNREACHABLE' });
    } finally {
      await lab.dispose();
    }
  });
});

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
