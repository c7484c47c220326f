import { randomBytes, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { backup, probe, restore, runTag, type ResticBackup, type ResticBackupResult } from '../../src/guests/restic/guest-restic';
import type { GuestProgress } from '../../src/guests/guest-process';
import { eventually } from '../support/processes';
import { openGuestDataLab, type GuestDataLab } from '../support/guest-data-lab';
import { inFull } from '../support/thorough';

jest.setTimeout(240_000);

const LARGE_BYTES = 12 * 1024 * 1024;

/** restic in a guest, against a real server of its repository. */
describe('restic in a guest', () => {
  let lab: GuestDataLab;
  const never = new AbortController().signal;

  beforeAll(async () => {
    lab = await openGuestDataLab('restic');
    await lab.sh(`mkdir -p /data/site/sub /data/large
      printf 'hello' > /data/site/hello; printf 'deep' > "/data/site/sub/a [b] *?"; ln -s hello /data/site/link; chmod 2750 /data/site/sub; chown 12:34 /data/site/hello
      mkdir -p /data/site/.modosu-restore-older; echo no > /data/site/.modosu-restore-older/no
      /usr/bin/head -c ${LARGE_BYTES} /dev/urandom > /data/large/blob`);
  });
  afterAll(() => lab?.close());

  const request = (change: Partial<ResticBackup> = {}): ResticBackup => ({
    access: lab.server.access(),
    paths: ['/data/site'],
    excludes: [],
    tags: ['modosu-data'],
    host: 'server-1-id',
    runId: randomUUID(),
    ...change,
  });
  const save = (change: Partial<ResticBackup> = {}, onProgress?: (progress: GuestProgress) => void, signal = never): Promise<ResticBackupResult> =>
    backup(lab.agent, request(change), { signal, onProgress });
  const checksums = (directory: string): Promise<string> =>
    lab.sh('cd "$1"; find . -type f -not -path "*/.modosu-*" -print0 | sort -z | xargs -0 sha256sum', directory);
  const resticsRunning = async (): Promise<string> => lab.sh('pgrep -x restic || true');
  /** Begins to save the large file, slowly, and comes back when restic has sent some of it and has most of a minute to go. */
  async function inTheMiddle<T>(begin: () => Promise<T>): Promise<{ readonly saving: Promise<T> }> {
    await lab.server.kill();
    await lab.server.start({ slow: true });
    const stored = lab.server.storedBytes();
    const saving = begin();
    saving.catch(() => undefined);
    await eventually('some of it has arrived', async () => lab.server.storedBytes() > stored, 120_000);
    expect(await resticsRunning()).not.toBe('');
    return { saving };
  }
  const atFullSpeed = async (): Promise<void> => {
    await lab.server.kill();
    await lab.server.start();
  };

  it('saves files, tells what it has saved, and brings them back as they were', async () => {
    const seen: GuestProgress[] = [];
    const result = await save({}, (progress) => seen.push(progress));
    expect(result).toMatchObject({ files: 2, totalBytes: 9, problems: [], restic: '0.14.0' });
    expect(result.snapshotId).toMatch(/^[0-9a-f]{64}$/);
    const [snapshot] = JSON.parse(await lab.server.restic(['snapshots', '--json', result.snapshotId])) as {
      readonly hostname: string;
      readonly tags: string[];
      readonly paths: string[];
    }[];
    expect(snapshot).toMatchObject({ hostname: 'server-1-id', tags: ['modosu-data', expect.stringMatching(/^modosu-run=/)], paths: ['/data/site'] });
    expect(await lab.server.restic(['ls', result.snapshotId])).not.toContain('.modosu-restore');

    const runId = randomUUID();
    const target = `/data/.modosu-restore-${runId}/new`;
    await restore(
      lab.agent,
      { access: lab.server.access(), snapshotId: result.snapshotId, include: ['/data/site/hello', '/data/site/sub/a [b] *?'], target, runId, expectedBytes: 9 },
      { signal: never },
    );
    expect(await lab.sh('cd "$1"; /usr/bin/find . -type f -printf "%p %m %U %G %s\\n" | sort', `${target}/data/site`)).toBe(
      './hello 644 12 34 5\n./sub/a [b] *? 644 0 0 4\n',
    );
    // Again, over what is there: the same.
    await restore(
      lab.agent,
      { access: lab.server.access(), snapshotId: result.snapshotId, include: ['/data/site'], target, runId, expectedBytes: 9 },
      { signal: never },
    );
    expect(await checksums(`${target}/data/site`)).toBe(await checksums('/data/site'));
  });

  it('takes the full id of a snapshot from who asks the repository from outside', async () => {
    const asked: string[] = [];
    const answering =
      (id: string | null) =>
      async (beginning: string): Promise<string | null> => {
        asked.push(beginning);
        return id;
      };
    await expect(save({ fullId: answering('a'.repeat(64)) })).resolves.toMatchObject({ snapshotId: 'a'.repeat(64) });
    await expect(save({ fullId: answering(null) })).rejects.toMatchObject({ code: 'DATA_BACKUP_FAILED' });
    expect(asked).toEqual([expect.stringMatching(/^[0-9a-f]{8}$/), expect.stringMatching(/^[0-9a-f]{8}$/)]);
  });

  it('refuses a path that is not there, and one that is a link', async () => {
    await expect(save({ paths: ['/data/site', '/data/no such "thing"'] })).rejects.toMatchObject({
      code: 'DATA_PATH_MISSING',
      message: expect.stringContaining('no such') as string,
    });
    await expect(save({ paths: ['/data/site/link'] })).rejects.toMatchObject({
      code: 'DATA_PATH_MISSING',
      message: expect.stringContaining('symbolic link') as string,
    });
  });

  it('tells a wrong password, and shows no secret', async () => {
    const password = `canary${randomBytes(8).toString('hex')}`;
    const error = await save({ access: lab.server.access({ password }) }).then(
      () => null,
      (thrown: unknown) => thrown as Error & { readonly code: string },
    );
    expect(error).toMatchObject({ code: 'DATA_REPOSITORY_KEY_WRONG' });
    for (const secret of [...lab.server.access().secrets, password]) expect(`${error?.message} ${JSON.stringify(error)}`).not.toContain(secret);
  });

  it('says what has not arrived', async () => {
    const { snapshotId } = await save();
    const runId = randomUUID();
    const target = `/data/.modosu-restore-${runId}/new`;
    await expect(
      restore(
        lab.agent,
        { access: lab.server.access(), snapshotId, include: ['/data/site/hello', '/data/site/never was'], target, runId, expectedBytes: 5 },
        { signal: never },
      ),
    ).rejects.toMatchObject({
      code: 'DATA_RESTORE_FAILED',
      message: expect.stringContaining('never was') as string,
    });
    expect(await lab.sh('ls /data/.modosu-restore-"$1"', runId)).toBe('');
  });

  it('names what changes while it is saved, and leaves out what is excluded', async () => {
    const change = lab.sh('while [ ! -e /tmp/enough ]; do date >> /data/site/busy; date >> /data/site/noise.log; sleep 0.01; done');
    await eventually('it is written', async () => (await lab.sh('cat /data/site/busy || true')) !== '');
    const { problems } = await save({ excludes: ['*.log'] });
    await lab.sh('touch /tmp/enough');
    await change;
    expect(problems).toEqual(['/data/site/busy changed while it was saved']);
    await lab.sh('rm /data/site/busy /data/site/noise.log');
  });

  it('tries again when a file vanishes, and gives up on one that can never be read', async () => {
    // restic 0.14 lists a directory before it reads what is in it: the fake one removes a file in between, once.
    await lab.sh(`mv /usr/bin/restic /usr/bin/restic.real
      printf '#!/bin/sh\\nif [ "$2" = backup ] && [ ! -e /tmp/vanished ]; then touch /tmp/vanished; restic.real "$@" >/tmp/out 2>&1; echo \\x27{"message_type":"error","item":"/data/site/gone"}\\x27 >&2; exit 3; fi\\nexec restic.real "$@"\\n' | sed "s/\\\\\\\\x27/'/g" > /usr/bin/restic; chmod 755 /usr/bin/restic`);
    try {
      expect(await save()).toMatchObject({ files: 2 });
      await lab.sh(
        `printf '#!/bin/sh\\nif [ "$2" = backup ]; then echo "{\\\\"message_type\\\\":\\\\"error\\\\",\\\\"item\\\\":\\\\"/data/site/never\\\\"}" >&2; exit 3; fi\\nexec restic.real "$@"\\n' > /usr/bin/restic`,
      );
      await expect(save()).rejects.toMatchObject({ code: 'DATA_INCOMPLETE', message: expect.stringContaining('"/data/site/never"') as string });
    } finally {
      await lab.sh('mv /usr/bin/restic.real /usr/bin/restic');
    }
  });

  it.each([
    ['missing', 'rm /usr/bin/restic', 'RESTIC_MISSING'],
    ['too old', 'printf "#!/bin/sh\\necho restic 0.13.1 compiled with go1.18\\n" > /usr/bin/restic', 'RESTIC_UNSUPPORTED'],
    ['none that can be understood', 'printf "#!/bin/sh\\necho hello\\n" > /usr/bin/restic', 'RESTIC_UNSUPPORTED'],
  ])('tells a restic that is %s', async (_what, script, code) => {
    await lab.sh(
      `cp -a /usr/bin/restic /usr/bin/restic.real; rm /usr/bin/restic; ${script === 'rm /usr/bin/restic' ? 'true' : script}; [ ! -e /usr/bin/restic ] || chmod 755 /usr/bin/restic`,
    );
    try {
      await expect(probe(lab.agent, never)).rejects.toMatchObject({ code });
    } finally {
      await lab.sh('mv -f /usr/bin/restic.real /usr/bin/restic');
    }
  });

  it('takes a newer restic as it is', async () => {
    await lab.sh(
      'mv /usr/bin/restic /usr/bin/restic.real; printf "#!/bin/sh\\necho restic 0.99.0 compiled with go2\\n" > /usr/bin/restic; chmod 755 /usr/bin/restic',
    );
    try {
      expect(await probe(lab.agent, never)).toEqual({ version: '0.99.0' });
    } finally {
      await lab.sh('mv -f /usr/bin/restic.real /usr/bin/restic');
    }
  });

  it('ends restic in the guest when it is aborted', async () => {
    const stopping = new AbortController();
    const { saving } = await inTheMiddle(() => save({ paths: ['/data/large'] }, undefined, stopping.signal));
    stopping.abort(new Error('enough'));
    await expect(saving).rejects.toThrow('enough');
    expect(await resticsRunning()).toBe('');
  });

  it('survives a restic that is killed in the middle: the next call saves everything', async () => {
    const runId = randomUUID();
    const { saving } = await inTheMiddle(() => save({ paths: ['/data/large'], runId }));
    await lab.sh('pkill -KILL -x restic');
    await expect(saving).rejects.toMatchObject({ code: 'DATA_BACKUP_FAILED' });
    await atFullSpeed();
    const { snapshotId } = await save({ paths: ['/data/large'], runId });
    expect(JSON.parse(await lab.server.restic(['snapshots', '--json', '--tag', runTag(runId)]))).toHaveLength(1);

    const restoring = randomUUID();
    const target = `/data/.modosu-restore-${restoring}/new`;
    await restore(
      lab.agent,
      { access: lab.server.access(), snapshotId, include: ['/data/large'], target, runId: restoring, expectedBytes: LARGE_BYTES },
      { signal: never },
    );
    expect(await checksums(`${target}/data/large`)).toBe(await checksums('/data/large'));
    await lab.sh('rm -rf /data/.modosu-restore-*');
  });

  inFull("ends what a dead worker has left running, others' restic never, and saves one whole snapshot", async () => {
    await lab.sh(`/usr/bin/head -c ${LARGE_BYTES} /dev/urandom > /data/large/blob`);
    const runId = randomUUID();
    // The worker is gone: nobody asks any more. What it had started goes on.
    const dead = new Proxy(lab.agent, {
      get: (target, name: keyof typeof lab.agent) =>
        name === 'outcome' && orphaned ? () => new Promise(() => undefined) : (target[name] as (...args: never[]) => unknown).bind(target),
    });
    let orphaned = false;
    await inTheMiddle(() => backup(dead, request({ paths: ['/data/large'], runId }), { signal: never }));
    orphaned = true;
    // Held where it is: it must not come to its end by itself.
    await lab.sh('pkill -STOP -x restic');
    const orphan = (await resticsRunning()).trim();
    expect(orphan).toMatch(/^\d+$/);
    await atFullSpeed();
    await lab.sh('cp /usr/bin/sleep /tmp/restic; /tmp/restic 300 >/dev/null 2>&1 & true');

    const seen: GuestProgress[] = [];
    const result = await save({ paths: ['/data/large'], runId }, (progress) => seen.push(progress));
    expect(await lab.sh('[ ! -e "/proc/$1" ] && echo ended', orphan)).toBe('ended\n');
    expect((await resticsRunning()).trim().split('\n')).toHaveLength(1);
    await lab.sh('pkill -x restic');
    const snapshots = JSON.parse(await lab.server.restic(['snapshots', '--json', '--tag', runTag(runId)])) as { readonly id: string }[];
    expect(snapshots.map(({ id }) => id)).toEqual([result.snapshotId]);
    expect(await lab.server.restic(['dump', result.snapshotId, '/data/large/blob']).then((text) => text.length)).toBeGreaterThan(0);
    const doneBytes = seen.map((progress) => progress.doneBytes);
    expect([...doneBytes].sort((a, b) => a - b)).toEqual(doneBytes);
    expect(seen.at(-1)?.doneBytes).toBe(seen.at(-1)?.totalBytes);
    expect(seen.at(-1)?.doneBytes).toBeGreaterThanOrEqual(LARGE_BYTES);
    expect(doneBytes.slice(0, -1).some((bytes) => bytes > 0)).toBe(true);
  });

  inFull('waits for a repository server that goes away in the middle and comes back', async () => {
    await lab.sh(`/usr/bin/head -c ${LARGE_BYTES} /dev/urandom > /data/large/blob`);
    const { saving } = await inTheMiddle(() => save({ paths: ['/data/large'] }));
    await lab.server.kill();
    await delay(1_000);
    expect(await resticsRunning()).not.toBe('');
    await lab.server.start();
    const { snapshotId } = await saving.catch(() => save({ paths: ['/data/large'] }));
    expect(await lab.server.restic(['ls', '-l', snapshotId, '/data/large'])).toContain(String(LARGE_BYTES));
    await lab.server.restic(['check', '--no-lock']);
  });

  it('says that the server of the repository does not answer', async () => {
    await expect(save({ access: lab.server.access({ port: 9 }) })).rejects.toMatchObject({ code: 'DATA_REPOSITORY_UNREACHABLE', retry: 'later' });
  });

  it("removes what it has half-written when the guest's disk is full", async () => {
    const { snapshotId } = await save({ paths: ['/data/large'] });
    const runId = randomUUID();
    await lab.sh('mkdir -p /mnt/small; mount -t tmpfs -o size=8m tmpfs /mnt/small');
    const target = `/mnt/small/.modosu-restore-${runId}/new`;
    await expect(
      restore(lab.agent, { access: lab.server.access(), snapshotId, include: ['/data/large'], target, runId, expectedBytes: LARGE_BYTES }, { signal: never }),
    ).rejects.toMatchObject({ code: 'GUEST_DISK_FULL' });
    expect(await lab.sh('find /mnt/small -type f; umount /mnt/small')).toBe('');
  });

  it('tells a damaged pack, and leaves nothing', async () => {
    await lab.sh('mkdir -p /data/fragile; head -c 300000 /dev/urandom > /data/fragile/blob');
    const before = new Set(packs());
    const { snapshotId } = await save({ paths: ['/data/fragile'] });
    const largest = packs()
      .filter((path) => !before.has(path))
      .map((path) => ({ path, bytes: readFileSync(path) }))
      .sort((a, b) => b.bytes.length - a.bytes.length)[0];
    if (largest === undefined) throw new Error('no pack was written');
    largest.bytes[1000] = (largest.bytes[1000] ?? 0) ^ 1;
    await lab.sh('true');
    writeFileSync(largest.path, largest.bytes);
    const runId = randomUUID();
    const target = `/data/.modosu-restore-${runId}/new`;
    await expect(
      restore(lab.agent, { access: lab.server.access(), snapshotId, include: ['/data/fragile'], target, runId, expectedBytes: 300_000 }, { signal: never }),
    ).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT' });
    expect(await lab.sh('find /data/.modosu-restore-"$1" -type f', runId)).toBe('');
  });
  const packs = (): string[] =>
    readdirSync(join(lab.server.directory, 'data'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.includes('/'))
      .map((name) => join(lab.server.directory, 'data', name));
});
