import { randomUUID } from 'node:crypto';
import type { SnapshotEntry } from '../../src/contracts/data';
import { compareFiles, type CompareOptions, type FileComparison } from '../../src/domain/planning/file-comparison';
import { listLive } from '../../src/guests/files/list-live';
import { findStaging, placeFiles, prepareStaging, type PlacedFiles } from '../../src/guests/files/place-files';
import { abandonFiles, confirmFiles, redoFiles, surveyUndoFiles, undoFiles } from '../../src/guests/files/undo-files';
import { backup, restore } from '../../src/guests/restic/guest-restic';
import { openGuestDataLab, type GuestDataLab } from '../support/guest-data-lab';

jest.setTimeout(240_000);

const SITE = '/data/site';
const NASTY = ['-rf', 'quote\'"double', 'new\nline', ' leading space', 'ユニコード 🗻', '$(id) `id` ;&|', 'back\\slash', '*[a]?'];

/** Files of a guest: from restic's snapshot to their places, and back. */
describe('files in a guest', () => {
  let lab: GuestDataLab;
  let snapshotId: string;
  let snapshot: readonly SnapshotEntry[];
  const work = { signal: new AbortController().signal };

  beforeAll(async () => {
    lab = await openGuestDataLab('files');
    await lab.sh(`mkdir -p ${SITE}/sub/deep ${SITE}/mounted
      mount -t tmpfs -o size=16m tmpfs ${SITE}/mounted; mkdir ${SITE}/mounted/inner; echo m > ${SITE}/mounted/inner/file; echo r > ${SITE}/mounted/replaced`);
    await lab.sh(
      `for name; do printf 'then %s' "$name" > "${SITE}/$name"; printf 'deep %s' "$name" > "${SITE}/sub/deep/$name"; touch -d "2020-02-02 02:02:02" "${SITE}/sub/deep/$name"; done`,
      ...NASTY,
    );
    await lab.sh(`cd ${SITE}; echo same > same; ln -s same link; ln -s /nowhere "sub/broken link"; chmod 2750 sub; chmod 4711 sub/deep/-rf; chown 12:34 same sub; mkfifo sub/pipe
      : > "$(printf 'bad\\377name')"; : > "$(printf 'sub/bad\\377name')"`);
    const saved = await backup(
      lab.agent,
      { access: lab.server.access(), paths: [SITE], excludes: [], tags: [], host: 'server-1-id', runId: randomUUID() },
      work,
    );
    snapshotId = saved.snapshotId;
    snapshot = (await lab.server.restic(['ls', '--json', snapshotId]))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((node) => node['struct_type'] === 'node' && String(node['path']).startsWith(SITE))
      .map(entryOf);
    await lab.sh(`/usr/bin/cp -a ${SITE} /data/saved`);
  });
  afterAll(() => lab?.close());
  /** As it was saved. */
  beforeEach(() =>
    lab.sh(
      `/usr/bin/find ${SITE} -mindepth 1 -maxdepth 1 ! -name mounted -exec rm -rf {} +; rm -rf ${SITE}/mounted/* ${SITE}/mounted/.m* ${SITE}/.modosu-*; /usr/bin/cp -a /data/saved/. ${SITE}/`,
    ),
  );

  const compare = async (options: Partial<CompareOptions> = {}): Promise<FileComparison> =>
    compareFiles(snapshot, await listLive(lab.agent, { paths: [SITE] }, work), { declared: [SITE], selected: [], replace: true, ...options });

  async function place(runId: string, options: Partial<CompareOptions> = {}): Promise<PlacedFiles & { readonly comparison: FileComparison }> {
    const comparison = await compare(options);
    for (const part of comparison.parts) {
      const target = await prepareStaging(lab.agent, part, runId, work);
      const [first, ...others] = part.include;
      if (first !== undefined) {
        await restore(lab.agent, { access: lab.server.access(), snapshotId, include: [first, ...others], target, runId, expectedBytes: part.bytes }, work);
      }
    }
    return { comparison, ...(await placeFiles(lab.agent, { runId, parts: comparison.parts, begun: [] }, work)) };
  }

  /** As restic would, but without its seconds. */
  async function stage(comparison: FileComparison, runId: string): Promise<void> {
    for (const part of comparison.parts) {
      const target = await prepareStaging(lab.agent, part, runId, work);
      await lab.sh(`mkdir -p "$1/data"; /usr/bin/cp -a /data/saved "$1${SITE}"`, target);
    }
  }

  /** Names, types, modes, owners, times and contents; of directories not the times. */
  const picture = (): Promise<string> =>
    lab.sh(
      `cd ${SITE}; /usr/bin/find . -name '.modosu-*' -prune -o ! -name extra '(' -type d -printf '%p %m %U:%G\\0' -o -printf '%p %y %m %U:%G %s %Ts %l\\0' ')' | sort -z | od -c | sha256sum; /usr/bin/find . -name '.modosu-*' -prune -o -type f ! -name extra -print0 | sort -z | xargs -0 sha256sum | sha256sum`,
    );
  const damage = (): Promise<string> =>
    lab.sh(
      `cd ${SITE}; rm -rf sub link; rm -- -rf "$1" "$2"; printf 'now' > "$3"; printf 'now' > '*[a]?'; chmod 600 'back\\slash'; echo extra > extra`,
      ...NASTY.slice(1, 4),
    );
  const damageMounted = (): Promise<string> => lab.sh(`cd ${SITE}/mounted; rm -r inner; echo now > replaced`);

  it('finds nothing to do where nothing has changed', async () => {
    const comparison = await compare();
    expect(comparison.parts).toEqual([]);
    expect(comparison.changes.map(({ effect, what }) => `${effect} ${what}`)).toEqual(['untouched files that are the same']);
  });

  it('puts everything back as it was, keeps what stood there, and goes both ways until it is confirmed', async () => {
    const then = await picture();
    await damage();
    await damageMounted();
    const damaged = await picture();
    const runId = randomUUID();
    const { kept, left, comparison } = await place(runId);
    expect(left).toEqual([]);
    expect(comparison.parts.map(({ base }) => base).sort()).toEqual([SITE, `${SITE}/mounted`]);
    expect(kept).toMatchObject({
      directories: expect.arrayContaining([`${SITE}/.modosu-restore-${runId}`, `${SITE}/mounted/.modosu-restore-${runId}`]) as string[],
      replaced: 4,
    });
    expect(await picture()).toBe(then);
    expect(await surveyUndoFiles(lab.agent, kept, runId, work)).toEqual({ changed: 0, examples: [], atLeast: false });

    await lab.sh(`echo since >> ${SITE}/sub/deep/-rf`);
    expect(await surveyUndoFiles(lab.agent, kept, runId, work)).toMatchObject({ changed: 1, examples: [`${SITE}/sub/deep/-rf`] });
    expect(await undoFiles(lab.agent, kept, runId, work)).toMatchObject({ leftCount: 0, replaced: 4 });
    expect(await picture()).toBe(damaged);
    expect(await redoFiles(lab.agent, kept, runId, work)).toMatchObject({ leftCount: 0, replaced: 4 });
    expect(await lab.sh(`tail -n 1 ${SITE}/sub/deep/-rf`)).toContain('since');
    await confirmFiles(lab.agent, kept, runId, work);
    await confirmFiles(lab.agent, kept, runId, work);
    expect(await lab.sh(`/usr/bin/find ${SITE} -name '.modosu-*'`)).toBe('');
    expect(await lab.sh(`cat ${SITE}/extra`)).toBe('extra\n');
  });

  it('adds alone when it was not told to replace, and leaves what cannot be named in the recovery point', async () => {
    await damage();
    await lab.sh(`cd ${SITE}; rm bad*`);
    const { kept, comparison } = await place(randomUUID(), { replace: false });
    expect(kept.replaced).toBe(0);
    expect(comparison.unnameable).toHaveLength(1);
    // Inside a directory that comes back as a whole its name is nobody's business.
    expect(await lab.sh(`cd ${SITE}; ls sub | grep -c bad; cat "$1"; ls | grep -c bad || true`, NASTY[3] ?? '')).toBe('1\nnow0\n');
  });

  it('brings back a file alone whose directories are gone, and those as they were', async () => {
    await lab.sh(`rm -rf ${SITE}/sub`);
    const wanted = `${SITE}/sub/deep/${NASTY[4]}`;
    const runId = randomUUID();
    const comparison = compareFiles(
      snapshot.filter(({ path }) => path === wanted),
      await listLive(lab.agent, { paths: [wanted] }, work),
      { declared: [SITE], selected: [wanted], replace: false },
    );
    expect(comparison.parts).toMatchObject([{ added: [{ path: `${SITE}/sub`, files: 1 }], include: [wanted] }]);
    for (const part of comparison.parts) {
      const target = await prepareStaging(lab.agent, part, runId, work);
      await restore(lab.agent, { access: lab.server.access(), snapshotId, include: [wanted], target, runId, expectedBytes: part.fetchBytes }, work);
    }
    const { kept } = await placeFiles(lab.agent, { runId, parts: comparison.parts, begun: [] }, work);
    expect(kept.added).toBe(1);
    expect(await lab.sh(`cd ${SITE}/sub; /usr/bin/find . -printf '%p %y %m %U:%G\n' | sort; cat deep/*`)).toBe(
      `. d 2750 12:34\n./deep d 755 0:0\n./deep/${NASTY[4]} f 644 0:0\ndeep ${NASTY[4]}`,
    );
  });

  it('reads a listing that is longer than what the agent reads of one file', async () => {
    await lab.sh(
      `mkdir ${SITE}/many; cd ${SITE}/many; n=0; while [ $n -lt 20 ]; do mkdir -p "$n"; n=$((n+1)); done; for d in *; do (cd $d; /usr/bin/seq -f "%0240g" 1 1700 | xargs -n 200 touch); done`,
    );
    const listing = await listLive(lab.agent, { paths: [`${SITE}/many`] }, work);
    expect(listing.truncated).toBe(false);
    expect(listing.entries).toHaveLength(1 + 20 + 20 * 1700);
    expect(new Set(listing.entries.map(({ path }) => path)).size).toBe(listing.entries.length);
    expect(await lab.sh('ls /run | grep -c modosu-list || true')).toBe('0\n');
    await lab.sh(`rm -rf ${SITE}/many`);
  });

  it('continues after its caller died with everything staged, and after a death it can be taken back', async () => {
    const then = await picture();
    await damage();
    const damaged = await picture();
    const runId = randomUUID();
    const comparison = await compare();
    await stage(comparison, runId);
    let moves = 0;
    const mortal = new Proxy(lab.agent, {
      get: (target, name: keyof typeof lab.agent) => {
        if (name !== 'start') return (target[name] as (...args: never[]) => unknown).bind(target);
        return (...args: Parameters<typeof target.start>) => {
          if (args[0].argv.includes('mv') && args[0].argv.includes('xargs') && (moves += 1) > 1) throw new Error('dead');
          return target.start(...args);
        };
      },
    });
    await expect(placeFiles(mortal, { runId, parts: comparison.parts, begun: [] }, work)).rejects.toThrow('dead');
    const begun = await findStaging(lab.agent, { paths: [SITE], runId }, work);
    expect(begun.length).toBeGreaterThan(0);
    const { kept, leftCount } = await placeFiles(lab.agent, { runId, parts: comparison.parts, begun }, work);
    expect(leftCount).toBe(0);
    expect(await picture()).toBe(then);
    expect(await abandonFiles(lab.agent, runId, kept.directories, work)).toEqual({ kept: [] });
    expect(await picture()).toBe(damaged);
    expect(await lab.sh(`/usr/bin/find ${SITE} -name '.modosu-*'`)).toBe('');
  });

  it('touches nothing behind a directory that was exchanged for a symbolic link', async () => {
    await lab.sh(
      `rm ${SITE}/sub/deep/-rf; echo differs > "${SITE}/sub/deep/*[a]?"; rm -rf /data/outside; mkdir -p /data/outside/deep; echo precious > "/data/outside/deep/*[a]?"`,
    );
    const runId = randomUUID();
    const comparison = await compare();
    await stage(comparison, runId);
    await lab.sh(`mv ${SITE}/sub ${SITE}/aside; ln -s /data/outside ${SITE}/sub`);
    const { leftCount } = await placeFiles(lab.agent, { runId, parts: comparison.parts, begun: [] }, work);
    expect(leftCount).toBe(2);
    expect(await lab.sh('ls -A /data/outside /data/outside/deep; cat /data/outside/deep/*')).toBe(
      '/data/outside:\ndeep\n\n/data/outside/deep:\n*[a]?\nprecious\n',
    );
    expect((await compare()).conflicts).toContain(`${SITE}/sub`);
  });

  it('reads a bounded part of a listing that has no end, says so, and the agent lives', async () => {
    await lab.sh(
      `mkdir -p /mnt/many; mount -t tmpfs -o nr_inodes=200000,size=200m tmpfs /mnt/many; cd /mnt/many; /usr/bin/seq -f '%0200.0f' 1 70000 | xargs touch`,
    );
    const listing = await listLive(lab.agent, { paths: ['/mnt/many'], maxBytes: 12 * 1024 * 1024 }, work);
    expect(listing.truncated).toBe(true);
    expect(listing.entries.length).toBeGreaterThan(40_000);
    expect(listing.entries.at(-1)?.path).toMatch(/^\/mnt\/many\/0{195}\d{5}$/);
    expect(await lab.sh('ls /run/modosu-list-* 2>/dev/null | wc -l; umount /mnt/many')).toBe('0\n');
  });

  it("says what is missing in a guest whose find is not GNU's, and takes no nonsense for a listing", async () => {
    await lab.sh('mv /usr/bin/find /usr/bin/find.real; ln -s busybox /usr/bin/find');
    try {
      await expect(listLive(lab.agent, { paths: [SITE] }, work)).rejects.toMatchObject({ code: 'GUEST_PROGRAM_MISSING' });
      await lab.sh(
        `rm /usr/bin/find; printf '#!/bin/sh\\nwhile [ "$1" != -fprintf ]; do [ "$1" = -delete ] && exit; shift; done; printf "f\\\\0many\\\\0a\\\\0b\\\\0c\\\\0d\\\\0e\\\\0/f\\\\0" > "$2"\\n' > /usr/bin/find; chmod 755 /usr/bin/find`,
      );
      await expect(listLive(lab.agent, { paths: [SITE] }, work)).rejects.toMatchObject({ code: 'DATA_RESTORE_FAILED' });
    } finally {
      await lab.sh('mv -f /usr/bin/find.real /usr/bin/find');
    }
  });
});

const TYPES: Readonly<Record<string, SnapshotEntry['type']>> = { file: 'file', dir: 'dir', symlink: 'symlink' };

function entryOf(node: Record<string, unknown>): SnapshotEntry {
  const mode = Number(node['mode'] ?? 0);
  const has = (bit: number): boolean => Math.floor(mode / 2 ** bit) % 2 === 1;
  return {
    path: String(node['path']),
    type: TYPES[String(node['type'])] ?? 'other',
    sizeBytes: Number(node['size'] ?? 0),
    mtime: Math.floor(Date.parse(String(node['mtime'])) / 1000),
    mode: (mode % 0o1000) + (has(23) ? 0o4000 : 0) + (has(22) ? 0o2000 : 0) + (has(20) ? 0o1000 : 0),
    uid: Number(node['uid'] ?? 0),
    gid: Number(node['gid'] ?? 0),
  };
}
