import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '../../src/contracts/ids';
import type { OffsiteRepository } from '../../src/repositories/offsite/offsite-repository';
import { childEnvironment, findProgram, runCommand } from '../../src/system/child-process';
import { DATA_TAG, dataSetTag, recoveryPointTag } from '../../src/repositories/data/data-repository';
import { DataLab, flipByte, freePort, killChild, pause } from '../support/data-lab';
import { OffsiteLab } from '../support/offsite-lab';
import { eventually, processesWith } from '../support/processes';
import { ArgvWatch } from '../support/secret-hunt';
import { inFull } from '../support/thorough';
import { filesDataSet, makeManifest } from './data-repository.contract';
import { contentsOf, offsiteContext, publishedDirectory } from './offsite-repository.contract';

jest.setTimeout(120_000);

/** Every text an error shows, to people or to logs. */
const shown: string[] = [];
const failureOf = async (action: Promise<unknown>): Promise<{ readonly code: string; readonly retry: string; readonly message: string }> => {
  try {
    await action;
  } catch (error) {
    shown.push(JSON.stringify(error), String((error as Error).stack), String(JSON.stringify((error as { summary?: () => unknown }).summary?.())));
    return error as { readonly code: string; readonly retry: string; readonly message: string };
  }
  throw new Error('it did not fail');
};

const MIB = 1024 ** 2;

describe('off-site repository: what can go wrong', () => {
  let lab: OffsiteLab;
  let watch: ArgvWatch;
  const labs: OffsiteLab[] = [];
  beforeAll(() => {
    watch = new ArgvWatch();
  });
  beforeEach(() => {
    lab = new OffsiteLab();
    labs.push(lab);
  });
  afterAll(async () => {
    for (const one of labs) await one.dispose();
  });

  const point = (bytes: number | Buffer = 1000) => {
    const [serverId, recoveryPointId] = [newId('srv'), newId('rp')];
    const image = typeof bytes === 'number' ? randomBytes(bytes) : bytes;
    const directory = publishedDirectory(join(lab.directory, 'published'), serverId, recoveryPointId, {
      'domain.xml': '<domain/>',
      'disks/vda.qcow2': image,
      'disks/vda.segments': 'modosu-segments 1\n',
    });
    return { serverId, recoveryPointId, directory };
  };
  const made = async (changes: Parameters<OffsiteLab['repository']>[0] = {}): Promise<OffsiteRepository> => {
    const repository = lab.repository(changes);
    await repository.ensure();
    return repository;
  };
  const isWhole = async (repository: OffsiteRepository, { serverId, recoveryPointId, directory }: ReturnType<typeof point>): Promise<void> => {
    const target = mkdtempSync(join(lab.directory, 'back-'));
    await repository.fetchImage(serverId, recoveryPointId, target, offsiteContext());
    expect(contentsOf(target)).toEqual(contentsOf(directory));
  };

  it('a copy is found and read with restic and the password alone, wherever the repository lay', async () => {
    const repository = await made();
    const one = point();
    const { snapshotIds } = await repository.copyImage(one, offsiteContext());
    const receipts = JSON.parse(await lab.byHand(['snapshots', '--json', '--tag', `modosu-copy,modosu-recovery-point=${one.recoveryPointId}`])) as {
      id: string;
    }[];
    expect(receipts.map(({ id }) => id)).toEqual([snapshotIds[1]]);
    expect(await lab.byHand(['dump', receipts[0]?.id ?? '', '/manifest.json'])).toBe(readFileSync(join(one.directory, 'manifest.json'), 'utf8'));
    const [content] = JSON.parse(await lab.byHand(['snapshots', '--json', '--tag', `modosu-image,modosu-recovery-point=${one.recoveryPointId}`])) as {
      id: string;
      hostname: string;
    }[];
    expect(content).toMatchObject({ id: snapshotIds[0], hostname: one.serverId });
    const target = join(lab.directory, 'by-hand');
    await lab.byHand(['restore', content?.id ?? '', '--target', target]);
    expect(contentsOf(target)).toEqual(contentsOf(one.directory));
  });

  it('a medium that was taken away is offline, storage that is gone is unreachable, and neither is made anew', async () => {
    const medium = join(lab.directory, 'medium');
    mkdirSync(medium);
    const removable = lab.repository({ location: medium, media: 'removable' });
    // Its mount point alone is not it.
    await expect(failureOf(removable.ensure())).resolves.toMatchObject({ code: 'OFFSITE_OFFLINE', retry: 'later' });
    expect(contentsOf(medium)).toEqual({});
    await lab.mount(medium, '16m');
    await removable.ensure();
    await removable.copyImage(point(), offsiteContext());
    const kept = join(lab.directory, 'kept');
    cpSync(medium, kept, { recursive: true });
    await lab.unmount(medium);
    const offline = { code: 'OFFSITE_OFFLINE', retry: 'later', message: expect.stringContaining(medium) as string };
    await expect(failureOf(removable.probe())).resolves.toMatchObject(offline);
    await expect(failureOf(removable.ensure())).resolves.toMatchObject(offline);
    await expect(failureOf(removable.copyImage(point(), offsiteContext()))).resolves.toMatchObject(offline);
    rmSync(medium, { recursive: true });
    await expect(failureOf(removable.list())).resolves.toMatchObject(offline);
    const fixed = lab.repository({ location: medium });
    await expect(failureOf(fixed.probe())).resolves.toMatchObject({ code: 'OFFSITE_UNREACHABLE', retry: 'later' });
    mkdirSync(medium);
    await expect(failureOf(fixed.ensure())).resolves.toMatchObject({ code: 'OFFSITE_UNREACHABLE' });
    expect(contentsOf(medium)).toEqual({});
    rmSync(medium, { recursive: true });
    renameSync(kept, medium);
    await expect(fixed.probe()).resolves.toMatchObject({ copies: 1 });
  });

  it('another repository in its place is not taken for it, whatever its password; nor is a directory with other things', async () => {
    const repository = await made();
    const ours = join(lab.directory, 'ours');
    renameSync(lab.stored, ours);
    const otherSecrets = new OffsiteLab();
    labs.push(otherSecrets);
    mkdirSync(lab.stored);
    await lab.repository({ secrets: otherSecrets.secrets }).ensure();
    const foreign = { code: 'OFFSITE_FOREIGN', retry: 'never' };
    await expect(failureOf(repository.list())).resolves.toMatchObject(foreign);
    await expect(failureOf(repository.ensure())).resolves.toMatchObject(foreign);
    rmSync(lab.stored, { recursive: true });
    const { exitCode } = await runCommand(['restic', '--no-cache', 'init'], {
      env: { RESTIC_REPOSITORY: lab.stored, RESTIC_PASSWORD_FILE: lab.secrets.fileOf('offsite/vault/password') },
    });
    expect(exitCode).toBe(0);
    await expect(failureOf(repository.copyImage(point(), offsiteContext()))).resolves.toMatchObject({
      ...foreign,
      message: expect.stringContaining('another repository than it was') as string,
    });
    rmSync(lab.stored, { recursive: true });
    mkdirSync(lab.stored);
    writeFileSync(join(lab.stored, 'holiday.jpg'), 'x');
    await expect(failureOf(lab.repository({ name: 'second' }).ensure())).resolves.toMatchObject(foreign);
    expect(contentsOf(lab.stored)).toEqual({ 'holiday.jpg': 'x' });
    rmSync(lab.stored, { recursive: true });
    renameSync(ours, lab.stored);
    await expect(repository.probe()).resolves.toMatchObject({ copies: 0 });
  });

  it('a wrong password is said to be one; with the right one again all is there; a repository that was half made is made', async () => {
    mkdirSync(join(lab.stored, 'keys'));
    writeFileSync(join(lab.stored, 'keys', 'ab'.repeat(32)), 'a key that opens nothing');
    const repository = await made();
    const file = lab.secrets.fileOf('offsite/vault/password');
    const right = readFileSync(file);
    writeFileSync(file, 'wrong\n');
    await expect(failureOf(lab.repository().list())).resolves.toMatchObject({ code: 'OFFSITE_CREDENTIALS_WRONG', retry: 'never' });
    await expect(failureOf(repository.list())).resolves.toMatchObject({ code: 'OFFSITE_CREDENTIALS_WRONG' });
    rmSync(file);
    await expect(failureOf(repository.list())).resolves.toMatchObject({ code: 'OFFSITE_CREDENTIALS_WRONG' });
    writeFileSync(file, right);
    await expect(repository.list()).resolves.toEqual([]);
  });

  it('a lock of a restic that lives is respected, one that it has left is removed', async () => {
    const repository = await made();
    const one = point(2 * MIB);
    await repository.copyImage(one, offsiteContext());
    const owner = spawn(findProgram('restic'), ['--no-cache', '--limit-download', '1', 'check', '--read-data'], {
      env: childEnvironment({ RESTIC_REPOSITORY: lab.stored, RESTIC_PASSWORD_FILE: lab.secrets.fileOf('offsite/vault/password') }),
      stdio: 'ignore',
    });
    await eventually('it is locked', async () => lab.storedFiles('locks').length > 0, 30_000);
    await pause(300); // restic looks for other locks once more, then works
    await expect(failureOf(repository.forget([one.recoveryPointId]))).resolves.toMatchObject({ code: 'OFFSITE_LOCKED', retry: 'later' });
    expect(lab.storedFiles('locks')).toHaveLength(1);
    await killChild(owner);
    expect(lab.storedFiles('locks')).toHaveLength(1);
    await repository.copyImage(point(), offsiteContext());
    expect(lab.storedFiles('locks')).toHaveLength(0);
  });

  it('slow: it is interrupted with all that it has started, what is half-made is no copy, and the next call goes on', async () => {
    const slow = lab.program('case "$*" in *" backup "*) restic --limit-upload 200 "$@" & wait $! ;; *) exec restic "$@" ;; esac');
    const repository = await made({ program: slow });
    const one = point(4 * MIB);
    const running = () => processesWith('restic', `modosu-recovery-point=${one.recoveryPointId}`);
    const stop = new AbortController();
    const copying = failureOf(repository.copyImage(one, offsiteContext({ signal: stop.signal })));
    await eventually('it writes', async () => lab.storedFiles('locks').length > 0 && (await running()).length > 0, 60_000);
    await pause(1_000);
    const started = await running();
    stop.abort(new Error('stopped by its caller'));
    await expect(copying).resolves.toMatchObject({ message: 'stopped by its caller' });
    expect(await running()).toEqual([]);
    // It was started by a program that has ended, too: until init has taken its leave its number counts as one that lives, and its lock as held.
    await eventually('nothing is left of it', async () => !started.some((pid) => existsSync(`/proc/${pid}`)), 30_000);
    const again = lab.repository();
    await expect(again.list()).resolves.toEqual([]);
    await again.copyImage(one, offsiteContext());
    await isWhole(again, one);
    await again.forget([]);
  });

  it.each([
    ['fails once', 'echo "Fatal: something nobody knows" >&2; exit 1'],
    ['could not read a file, and has written the rest', 'restic "$@"; exit 3'],
  ])('restic %s: no copy, and the next attempt makes one', async (_, failing) => {
    const repository = await made();
    const one = point();
    const program = lab.program(`case "$*" in *" backup "*) ${failing} ;; *) exec restic "$@" ;; esac`);
    await expect(failureOf(lab.repository({ program }).copyImage(one, offsiteContext()))).resolves.toMatchObject({ code: 'COPY_FAILED', retry: 'later' });
    await expect(repository.list()).resolves.toEqual([]);
    await expect(failureOf(repository.openImage(one.serverId, one.recoveryPointId))).resolves.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
    await repository.copyImage(one, offsiteContext());
    await isWhole(repository, one);
  });

  it('restic breaks down while it writes: where it had no room that is the reason, elsewhere it is tried again', async () => {
    const program = lab.program(
      `case "$*" in *" backup "*) echo 'panic: runtime error: invalid memory address or nil pointer dereference' >&2; exit 2 ;; *) exec restic "$@" ;; esac`,
    );
    await made();
    await expect(failureOf(lab.repository({ program }).copyImage(point(), offsiteContext()))).resolves.toMatchObject({ code: 'COPY_FAILED', retry: 'later' });
    const stored = join(lab.directory, 'small');
    await lab.mount(stored, '24m');
    await made({ location: stored, name: 'small' });
    await expect(failureOf(lab.repository({ program, location: stored, name: 'small' }).copyImage(point(), offsiteContext()))).resolves.toMatchObject({
      code: 'NOT_ENOUGH_SPACE',
      message: expect.stringMatching(/MiB are free at .*small\.$/) as string,
    });
  });

  it('a file that restic has left out: it is no copy', async () => {
    const repository = await made();
    const one = point();
    const program = lab.program('case "$*" in *" backup "*" .") exec restic --exclude domain.xml "$@" ;; *) exec restic "$@" ;; esac');
    await expect(failureOf(lab.repository({ program }).copyImage(one, offsiteContext()))).resolves.toMatchObject({
      code: 'COPY_FAILED',
      message: expect.stringContaining('"domain.xml" is missing') as string,
    });
    await expect(repository.list()).resolves.toEqual([]);
  });

  it('lists late: a copy that is not seen yet is not said to be there, and is not made twice', async () => {
    const repository = await made();
    const one = point();
    const state = join(lab.directory, 'state');
    const program = lab.program(
      `case "$*" in *" backup "*modosu-copy*) restic "$@" && touch ${state} ;; *" snapshots"*) if [ -e ${state} ]; then rm ${state}; echo '[]'; else exec restic "$@"; fi ;; *) exec restic "$@" ;; esac`,
    );
    const late = lab.repository({ program });
    await expect(failureOf(late.copyImage(one, offsiteContext()))).resolves.toMatchObject({ code: 'COPY_FAILED', retry: 'later' });
    await late.copyImage(one, offsiteContext());
    expect(lab.storedFiles('snapshots')).toHaveLength(2);
    await expect(repository.list()).resolves.toHaveLength(1);
  });

  it.each([
    ['truncated', (path: string) => truncateSync(path, Math.floor(statSync(path).size / 2))],
    ['changed by one bit', (path: string) => flipByte(path, 0.3)],
  ])('a pack that was %s is found, named as damage, and nothing is removed meanwhile', async (_, spoil) => {
    const repository = await made();
    const [whole, spoilt] = [point(100), point(2 * MIB)];
    await repository.copyImage(whole, offsiteContext());
    await repository.copyImage(spoilt, offsiteContext());
    spoil(lab.storedFiles('data')[0] ?? '');
    const corrupt = { code: 'RECOVERY_POINT_CORRUPT', retry: 'never' };
    await expect(failureOf(repository.readAll(spoilt.recoveryPointId, offsiteContext()))).resolves.toMatchObject(corrupt);
    await expect(failureOf(repository.check({ part: { number: 1, of: 1 } }))).resolves.toMatchObject(corrupt);
    await expect(
      failureOf(repository.fetchImage(spoilt.serverId, spoilt.recoveryPointId, mkdtempSync(join(lab.directory, 'back-')), offsiteContext())),
    ).resolves.toMatchObject(corrupt);
    await isWhole(repository, whole);
    rmSync(lab.storedFiles('data')[0] ?? '');
    const before = lab.storedFiles('snapshots').length;
    await expect(failureOf(repository.forget([whole.recoveryPointId]))).resolves.toMatchObject({
      ...corrupt,
      message: expect.stringContaining('Nothing was removed') as string,
    });
    expect(lab.storedFiles('snapshots')).toHaveLength(before);
  });

  it('a pack that is gone is written anew, and whatever shared it is whole again; one that is not what was written has to be taken away first', async () => {
    const repository = await made();
    const shared = randomBytes(2 * MIB);
    const [one, other] = [point(shared), point(shared)];
    await repository.copyImage(one, offsiteContext());
    await repository.copyImage(other, offsiteContext());
    const [pack = ''] = lab.storedFiles('data').toSorted((a, b) => statSync(b).size - statSync(a).size);
    flipByte(pack, 0.3);
    const corrupt = { code: 'RECOVERY_POINT_CORRUPT' };
    await repository.mendImage(one, offsiteContext());
    await expect(failureOf(repository.readAll(one.recoveryPointId, offsiteContext()))).resolves.toMatchObject(corrupt);
    // As docs/OFFSITE.md says.
    renameSync(pack, join(lab.directory, 'taken-away'));
    await expect(failureOf(repository.readAll(other.recoveryPointId, offsiteContext()))).resolves.toMatchObject(corrupt);
    const mended = await repository.mendImage(one, offsiteContext());
    for (const copy of [one, other]) await isWhole(repository, copy);
    expect((await repository.list()).filter(({ recoveryPointId }) => recoveryPointId === one.recoveryPointId)).toEqual([mended]);
    await repository.check({ part: { number: 1, of: 1 } });
    await repository.forget([one.recoveryPointId]);
    await isWhole(repository, other);
  });

  it('data of which a pack is gone is copied anew; an attempt that dies leaves nothing in the way; one that cannot help, for want of the original too, keeps the copy', async () => {
    const data = await DataLab.start();
    try {
      const serverId = newId('srv');
      await data.repository.ensure(serverId);
      const published = async (files: Readonly<Record<string, string>>) => {
        const recoveryPointId = newId('rp');
        const root = data.files(recoveryPointId, files);
        const tags = [DATA_TAG, recoveryPointTag(recoveryPointId), dataSetTag('documents')];
        const snapshotId = await data.backUp(serverId, [root], { host: 'db01', tags });
        return data.repository.publish(makeManifest(serverId, snapshotId, { recoveryPointId, dataSet: filesDataSet(root) }));
      };
      const shared = randomBytes(2 * MIB).toString('base64');
      const [one, other] = [await published({ a: shared }), await published({ a: shared, b: 'more' })];
      const access = await data.repository.accessFromHere(serverId);
      const repository = await made();
      for (const manifest of [one, other]) await repository.copyData({ manifest, access }, offsiteContext());
      rmSync(lab.storedFiles('data')[0] ?? '');
      const corrupt = { code: 'RECOVERY_POINT_CORRUPT' };
      await expect(failureOf(repository.readAll(one.recoveryPointId, offsiteContext()))).resolves.toMatchObject(corrupt);

      // Killed when the copy before is away and nothing else is there.
      const dies = lab.repository({ program: lab.program(`case "$*" in *" copy "*|copy*) kill -9 $$ ;; *) exec restic "$@" ;; esac`) });
      await expect(failureOf(dies.mendData({ manifest: one, access }, offsiteContext()))).resolves.toMatchObject({ code: 'COPY_FAILED', retry: 'later' });
      expect((await repository.list()).map(({ recoveryPointId }) => recoveryPointId)).toEqual([other.recoveryPointId]);

      const mended = await repository.mendData({ manifest: one, access }, offsiteContext());
      for (const { recoveryPointId } of [one, other]) await repository.readAll(recoveryPointId, offsiteContext());
      expect((await repository.list()).filter(({ recoveryPointId }) => recoveryPointId === one.recoveryPointId)).toEqual([mended]);
      await repository.check({ part: { number: 1, of: 1 } });
      // Nothing of the attempts is left: what goes, goes whole.
      await repository.forget([one.recoveryPointId]);
      expect(lab.storedFiles('snapshots')).toHaveLength(2);
      // Not what was written, and all there: it would be believed again. The copy stays.
      const [pack = ''] = lab.storedFiles('data');
      flipByte(pack, 0.3);
      await expect(failureOf(repository.mendData({ manifest: other, access }, offsiteContext()))).resolves.toMatchObject(corrupt);
      rmSync(pack);
      rmSync(data.storedFiles(serverId, 'snapshots').find((path) => path.endsWith(other.snapshotId)) ?? '');
      await expect(failureOf(repository.mendData({ manifest: other, access }, offsiteContext()))).resolves.toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE' });
      expect((await repository.list()).map(({ recoveryPointId }) => recoveryPointId)).toEqual([other.recoveryPointId]);
    } finally {
      await data.dispose();
    }
  });

  inFull('refuses to delete (an append-only server): that is said, and all copies are still there', async () => {
    const port = await freePort();
    const server = spawn(findProgram('rclone'), ['serve', 'restic', '--addr', `127.0.0.1:${port}`, '--append-only', lab.stored], { stdio: 'ignore' });
    try {
      const repository = lab.repository({ location: `rest:http://127.0.0.1:${port}/` });
      await eventually(
        'it listens',
        () =>
          fetch(`http://127.0.0.1:${port}/config`).then(
            () => true,
            () => false,
          ),
        20_000,
      );
      await repository.ensure();
      const one = point();
      await repository.copyImage(one, offsiteContext());
      await expect(failureOf(repository.forget([one.recoveryPointId]))).resolves.toMatchObject({ code: 'OFFSITE_DELETE_REFUSED', retry: 'never' });
      await expect(repository.list()).resolves.toHaveLength(1);
      await isWhole(repository, one);
      expect(lab.storedFiles('locks')).toEqual([]);
      await killChild(server);
      await expect(failureOf(repository.list())).resolves.toMatchObject({ code: 'OFFSITE_UNREACHABLE', retry: 'later' });
      await expect(failureOf(lab.repository({ location: `rest:http://127.0.0.1:${port}/`, media: 'removable' }).list())).resolves.toMatchObject({
        code: 'OFFSITE_OFFLINE',
      });
    } finally {
      await killChild(server);
    }
  });

  inFull('refuses to delete packs alone (immutable files): the copies that go are gone, the rest is whole', async () => {
    const repository = await made();
    const [going, staying] = [point(2 * MIB), point()];
    for (const one of [going, staying]) await repository.copyImage(one, offsiteContext());
    const packs = lab.storedFiles('data');
    await runCommand(['chattr', '+i', ...packs] as [string, ...string[]]);
    try {
      await expect(failureOf(repository.forget([going.recoveryPointId]))).resolves.toMatchObject({ code: 'OFFSITE_DELETE_REFUSED' });
    } finally {
      await runCommand(['chattr', '-i', ...packs] as [string, ...string[]]);
    }
    await isWhole(repository, staying);
    await repository.forget([going.recoveryPointId]);
    await repository.check({ part: { number: 1, of: 1 } });
    await isWhole(repository, staying);
  });

  it('full: what was half-made is harmless, what is there is given back all the same, and with room it goes on', async () => {
    const stored = join(lab.directory, 'small');
    await lab.mount(stored, '24m');
    const repository = await made({ location: stored });
    const [small, large] = [point(), point(40 * MIB)];
    await repository.copyImage(small, offsiteContext());
    await expect(failureOf(repository.copyImage(large, offsiteContext()))).resolves.toMatchObject({ code: 'NOT_ENOUGH_SPACE' });
    await runCommand(['dd', 'if=/dev/zero', `of=${join(stored, 'filler')}`, 'bs=4096']);
    expect((await repository.list()).map(({ recoveryPointId }) => recoveryPointId)).toEqual([small.recoveryPointId]);
    await isWhole(repository, small);
    rmSync(join(stored, 'filler'));
    await runCommand(['mount', '-o', 'remount,size=100m', stored]);
    await repository.copyImage(large, offsiteContext());
    await isWhole(repository, large);
    await runCommand(['mount', '-o', 'remount,ro', stored]);
    await isWhole(repository, small);
    await runCommand(['mount', '-o', 'remount,rw', stored]);
  });

  inFull('a directory that is too small for what is fetched, and an attempt that died in it', async () => {
    const repository = await made();
    const one = point(8 * MIB);
    await repository.copyImage(one, offsiteContext());
    const target = join(lab.directory, 'target');
    await lab.mount(target, '4m');
    await expect(failureOf(repository.fetchImage(one.serverId, one.recoveryPointId, target, offsiteContext()))).resolves.toMatchObject({
      code: 'NOT_ENOUGH_SPACE',
      message: expect.stringContaining(target) as string,
    });
    await runCommand(['mount', '-o', 'remount,size=32m', target]);
    writeFileSync(join(target, 'left behind'), 'x');
    await repository.fetchImage(one.serverId, one.recoveryPointId, target, offsiteContext());
    expect(contentsOf(target)).toEqual(contentsOf(one.directory));
  });

  it('no error and no argument vector has shown a secret', async () => {
    const seen = watch.end();
    expect(seen).toContain('restic');
    expect(shown.length).toBeGreaterThan(20);
    for (const one of labs) {
      for (const name of await one.secrets.list('offsite')) {
        if (!name.endsWith('/password')) continue;
        const password = await one.secrets.read(name);
        if (password === null || password === 'wrong') continue;
        expect(shown.some((text) => text.includes(password))).toBe(false);
        expect(seen.includes(password)).toBe(false);
      }
    }
    expect(existsSync(labs[0]?.directory ?? '')).toBe(true);
  });
});
