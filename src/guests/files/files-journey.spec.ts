import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostAgent } from '../../../test/support/host-agent';
import type { SnapshotEntry } from '../../contracts/data';
import { compareFiles, type FileComparison } from '../../domain/planning/file-comparison';
import type { GuestProgram } from '../guest-agent';
import { listLive } from './list-live';
import { findStaging, findStagingDirectories, placeFiles, prepareStaging, type PlacedFiles } from './place-files';
import { abandonFiles, confirmFiles, redoFiles, surveyUndoFiles, undoFiles } from './undo-files';

/** Files placed and taken back by the real programs, on this host instead of in a guest. Needs root: staging directories are root's alone. */
const asRoot = process.getuid?.() === 0 ? describe : describe.skip;

jest.setTimeout(200_000);
const RUN = 'run-0001-abcd';
/** `npm test` lets a mover die at every fifth step, `--full` at every one. */
const STRIDE = process.env['MODOSU_TEST_FULL'] === '1' ? 1 : 5;
const work = { signal: new AbortController().signal };
const NASTY = ['-rf', 'quote\'"double', 'new\nline', ' leading space', 'ユニコード 🗻', '$(id) `id` ;&|', 'tab\there', 'back\\slash', '*[a]?'];

let root: string;
let site: string;
let agent: HostAgent;
/** What the snapshot holds: a copy of the site, and its listing. */
let saved: string;
let snapshot: readonly SnapshotEntry[];

beforeEach(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'modosu-files-')));
  site = join(root, 'site');
  saved = join(root, 'saved');
  agent = new HostAgent();
  mkdirSync(join(site, 'sub/deep'), { recursive: true });
  for (const name of NASTY) writeFileSync(join(site, name), `then ${name}`);
  for (const name of NASTY) writeFileSync(join(site, 'sub/deep', name), `deep ${name}`);
  writeFileSync(join(site, 'same'), 'same');
  symlinkSync('same', join(site, 'link'));
  chmodSync(join(site, 'sub'), 0o2750);
  chownSync(join(site, 'same'), 12, 34);
  for (const name of NASTY) utimesSync(join(site, name), 1_600_000_000, 1_600_000_000);
  await save();
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

async function save(): Promise<void> {
  rmSync(saved, { recursive: true, force: true });
  execFileSync('cp', ['-a', site, saved]);
  snapshot = (await listLive(agent, { paths: [site] }, work)).entries;
}

async function compare(replace = true): Promise<FileComparison> {
  return compareFiles(snapshot, await listLive(agent, { paths: [site] }, work), { declared: [site], selected: [], replace });
}

/** What restic does: everything, with its full path, below the target. */
async function stage(comparison: FileComparison): Promise<void> {
  for (const part of comparison.parts) {
    const target = await prepareStaging(agent, part, RUN, work);
    mkdirSync(join(target, root), { recursive: true });
    execFileSync('cp', ['-a', saved, join(target, site)]);
  }
}

async function place(replace = true, through = agent): Promise<PlacedFiles> {
  const comparison = await compare(replace);
  await stage(comparison);
  return placeFiles(through, { runId: RUN, parts: comparison.parts, begun: [] }, work);
}

/** Everything about a tree but Modosu's own directories and times of directories. */
const picture = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => !name.includes('.modosu-restore-'))
    .sort()
    .map((name) => {
      const path = join(directory, name);
      const { mode, uid, gid, mtimeMs } = lstatSync(path);
      const kind = lstatSync(path);
      const content = kind.isSymbolicLink() ? readlinkSync(path) : kind.isFile() ? readFileSync(path, 'utf8') : '';
      return `${name} ${mode.toString(8)} ${uid}:${gid} ${kind.isDirectory() ? '' : Math.floor(mtimeMs / 1000)} ${content}`;
    });

function damage(): void {
  rmSync(join(site, 'sub'), { recursive: true });
  for (const name of NASTY.slice(0, 4)) rmSync(join(site, name));
  for (const name of NASTY.slice(4)) writeFileSync(join(site, name), `now ${name}`);
  writeFileSync(join(site, 'extra'), 'extra');
}

asRoot('files of a guest', () => {
  it('lists what stands there, and what is missing', async () => {
    const listing = await listLive(agent, { paths: [site, join(root, 'nope/deeper')] }, work);
    expect(listing.missing).toEqual([join(root, 'nope/deeper')]);
    expect(listing.entries.map(({ path }) => path).sort()).toEqual(
      [site, ...readdirSync(site, { recursive: true, encoding: 'utf8' }).map((name) => join(site, name))].sort(),
    );
    expect(listing.entries.find(({ path }) => path.endsWith('/same'))).toMatchObject({ type: 'file', sizeBytes: 4, uid: 12, gid: 34, mode: 0o644 });
    expect(listing.entries.find(({ path }) => path.endsWith('/sub'))).toMatchObject({ type: 'dir', mode: 0o2750 });
    expect(listing.above[0]?.path).toBe('/');
  });

  it('says so when there is more than it reads, and keeps whole records alone', async () => {
    const listing = await listLive(agent, { paths: [site], maxBytes: 400 }, work);
    expect(listing.truncated).toBe(true);
    expect(listing.entries.length).toBeGreaterThan(0);
    for (const { path } of listing.entries) expect(existsSync(path)).toBe(true);
  });

  it('puts back what is missing and what differs, as it was, and keeps what stood there', async () => {
    const then = picture(site);
    damage();
    const damaged = picture(site);
    const { kept, leftCount } = await place();
    expect(leftCount).toBe(0);
    expect(kept).toMatchObject({ kind: 'files', directories: [`${site}/.modosu-restore-${RUN}`], added: 4 + NASTY.length, replaced: NASTY.length - 4 });
    expect(picture(site).filter((line) => !line.startsWith('extra '))).toEqual(then);
    expect(await surveyUndoFiles(agent, kept, RUN, work)).toEqual({ changed: 0, examples: [], atLeast: false });

    expect(await undoFiles(agent, kept, RUN, work)).toMatchObject({ added: kept.added, replaced: kept.replaced, leftCount: 0 });
    expect(picture(site)).toEqual(damaged);
    expect(await undoFiles(agent, kept, RUN, work)).toMatchObject({ added: kept.added, replaced: kept.replaced, leftCount: 0 });
    expect(picture(site)).toEqual(damaged);

    expect(await redoFiles(agent, kept, RUN, work)).toMatchObject({ added: kept.added, replaced: kept.replaced, leftCount: 0 });
    expect(picture(site).filter((line) => !line.startsWith('extra '))).toEqual(then);
    await undoFiles(agent, kept, RUN, work);
    expect(picture(site)).toEqual(damaged);
    await redoFiles(agent, kept, RUN, work);

    await confirmFiles(agent, kept, RUN, work);
    await confirmFiles(agent, kept, RUN, work);
    expect(existsSync(`${site}/.modosu-restore-${RUN}`)).toBe(false);
    expect(picture(site).filter((line) => !line.startsWith('extra '))).toEqual(then);
    await expect(undoFiles(agent, kept, RUN, work)).rejects.toMatchObject({ code: 'WAY_BACK_INCOMPLETE' });
  });

  it('leaves files that differ alone when it was not told to replace them', async () => {
    damage();
    const { kept } = await place(false);
    expect(kept).toMatchObject({ replaced: 0 });
    expect(readFileSync(join(site, 'tab\there'), 'utf8')).toBe('now tab\there');
  });

  it('tells what was written since, and an undo keeps it', async () => {
    damage();
    const { kept } = await place();
    writeFileSync(join(site, 'sub/deep/made since'), 'x');
    writeFileSync(join(site, '*[a]?'), 'written since');
    const survey = await surveyUndoFiles(agent, kept, RUN, work);
    expect(survey).toMatchObject({ changed: 2, examples: expect.arrayContaining([join(site, 'sub/deep/made since'), join(site, '*[a]?')]) as string[] });
    await undoFiles(agent, kept, RUN, work);
    expect(readFileSync(join(site, '*[a]?'), 'utf8')).toBe('now *[a]?');
    const undone = join(kept.directories[0] ?? '', 'undone');
    expect(readdirSync(undone).some((name) => lstatSync(join(undone, name)).isFile() && readFileSync(join(undone, name), 'utf8') === 'written since')).toBe(
      true,
    );
    await redoFiles(agent, kept, RUN, work);
    expect(readFileSync(join(site, '*[a]?'), 'utf8')).toBe('written since');
    expect(existsSync(join(site, 'sub/deep/made since'))).toBe(true);
  });

  it('never replaces a directory by a file or a file by a directory', async () => {
    rmSync(join(site, 'same'));
    mkdirSync(join(site, 'same'));
    rmSync(join(site, 'sub'), { recursive: true });
    writeFileSync(join(site, 'sub'), 'in the way');
    const comparison = await compare();
    expect(comparison.conflicts).toEqual(expect.arrayContaining([join(site, 'same'), join(site, 'sub'), join(site, 'sub/deep')]));
    expect(comparison.parts).toEqual([]);
  });

  it('does not overwrite what somebody has put there after the comparison', async () => {
    rmSync(join(site, 'sub'), { recursive: true });
    const comparison = await compare();
    await stage(comparison);
    writeFileSync(join(site, 'sub'), 'just made');
    const { left, leftCount } = await placeFiles(agent, { runId: RUN, parts: comparison.parts, begun: [] }, work);
    expect({ left, leftCount }).toEqual({ left: [join(site, 'sub')], leftCount: 1 });
    expect(readFileSync(join(site, 'sub'), 'utf8')).toBe('just made');
  });

  it('moves nothing through a directory that has become a symbolic link', async () => {
    const outside = join(root, 'outside');
    mkdirSync(join(outside, 'deep'), { recursive: true });
    writeFileSync(join(outside, 'deep/-rf'), 'precious');
    rmSync(join(site, 'sub/deep/new\nline'));
    writeFileSync(join(site, 'sub/deep/-rf'), 'differs');
    const comparison = await compare();
    await stage(comparison);
    renameSync(join(site, 'sub'), join(root, 'moved away'));
    symlinkSync(outside, join(site, 'sub'));
    const { leftCount, kept } = await placeFiles(agent, { runId: RUN, parts: comparison.parts, begun: [] }, work);
    expect({ leftCount, added: kept.added, replaced: kept.replaced }).toEqual({ leftCount: 2, added: 0, replaced: 0 });
    expect(readdirSync(join(outside, 'deep'))).toEqual(['-rf']);
    expect(readFileSync(join(outside, 'deep/-rf'), 'utf8')).toBe('precious');
  });

  it('says so when a directory is exchanged in the very moment', async () => {
    const outside = join(root, 'outside');
    mkdirSync(join(outside, 'deep'), { recursive: true });
    rmSync(join(site, 'sub/deep/new\nline'));
    const swapping = new HostAgent({
      beforeStart: ({ argv }: GuestProgram) => {
        if (!argv.includes('mv') || !argv.includes('xargs') || lstatSync(join(site, 'sub')).isSymbolicLink()) return;
        renameSync(join(site, 'sub'), join(root, 'moved away'));
        symlinkSync(outside, join(site, 'sub'));
      },
    });
    await expect(place(true, swapping)).rejects.toMatchObject({
      code: 'DATA_RESTORE_FAILED',
      message: expect.stringContaining('exchanged while files were moved') as string,
    });
  });

  it('finds the anchor behind links that the administrator has made, and refuses when they lead elsewhere', async () => {
    damage();
    const other = join(root, 'other');
    symlinkSync(root, other);
    const through = join(other, 'site');
    const listing = await listLive(agent, { paths: [through] }, work);
    const entries = snapshot.map((entry) => ({ ...entry, path: entry.path.replace(site, through) }));
    const comparison = compareFiles(entries, listing, { declared: [through], selected: [], replace: true });
    for (const part of comparison.parts) {
      const target = await prepareStaging(agent, part, RUN, work);
      mkdirSync(join(target, other), { recursive: true });
      execFileSync('cp', ['-a', saved, join(target, through)]);
    }
    const { kept, leftCount } = await placeFiles(agent, { runId: RUN, parts: comparison.parts, begun: [] }, work);
    expect(leftCount).toBe(0);
    rmSync(other);
    mkdirSync(join(root, 'elsewhere'));
    renameSync(site, join(root, 'elsewhere/site'));
    symlinkSync(join(root, 'elsewhere'), other);
    await expect(undoFiles(agent, kept, RUN, work)).rejects.toMatchObject({ code: 'WAY_BACK_INCOMPLETE' });
  });

  it('moves nothing when something has not arrived', async () => {
    damage();
    const damaged = picture(site);
    const comparison = await compare();
    await stage(comparison);
    rmSync(join(site, `.modosu-restore-${RUN}/new${site}/sub/deep/new\nline`));
    await expect(placeFiles(agent, { runId: RUN, parts: comparison.parts, begun: [] }, work)).rejects.toMatchObject({
      code: 'DATA_RESTORE_FAILED',
      message: expect.stringContaining('new line') as string,
    });
    expect(picture(site)).toEqual(damaged);
    expect(await abandonFiles(agent, RUN, [`${site}/.modosu-restore-${RUN}`], work)).toEqual({ kept: [] });
    expect(existsSync(`${site}/.modosu-restore-${RUN}`)).toBe(false);
  });

  it('brings back a whole declared path that is gone, and a single file', async () => {
    const then = picture(site);
    rmSync(site, { recursive: true });
    const { kept } = await place();
    expect(kept.directories).toEqual([`${root}/.modosu-restore-${RUN}`]);
    expect(picture(site)).toEqual(then);
    await undoFiles(agent, kept, RUN, work);
    expect(existsSync(site)).toBe(false);
  });

  it.each(['removes', '/etc', '/srv/.modosu-restore-other-run', `/srv/../.modosu-restore-${RUN}`, `/srv/.modosu-restore-${RUN}/kept`])(
    "removes no directory but the run's own: %s",
    async (directory) => {
      await expect(confirmFiles(agent, { directories: [directory] }, RUN, work)).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
    },
  );

  it('does not follow a symbolic link that has the name of a staging directory', async () => {
    mkdirSync(join(root, 'precious'));
    symlinkSync(join(root, 'precious'), join(site, `.modosu-restore-${RUN}`));
    await expect(confirmFiles(agent, { directories: [join(site, `.modosu-restore-${RUN}`)] }, RUN, work)).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
    damage();
    const [part] = (await compare()).parts;
    if (part === undefined) throw new Error('nothing to place');
    await expect(prepareStaging(agent, part, RUN, work)).rejects.toMatchObject({ code: 'DATA_RESTORE_FAILED' });
    expect(existsSync(join(root, 'precious'))).toBe(true);
  });

  it('takes nothing from a journal that somebody has written', async () => {
    damage();
    const { kept } = await place();
    const journal = join(kept.directories[0] ?? '', 'journal.json');
    const text = readFileSync(journal, 'utf8');
    for (const forged of [
      text.replaceAll(`${site}/sub`, '/etc/passwd'),
      text.replaceAll(`${site}/sub`, `${site}/../x`),
      text.slice(0, -20),
      '[]',
      text.replace('"version":1', '"version":2'),
    ]) {
      writeFileSync(journal, forged);
      await expect(undoFiles(agent, kept, RUN, work)).rejects.toMatchObject({ code: 'WAY_BACK_INCOMPLETE' });
    }
  });
});

asRoot('files of a guest in which others write', () => {
  it('keep what was written into restored files by somebody, however often a failed run is taken back', async () => {
    damage();
    const damaged = picture(site);
    const { kept } = await place();
    const [directory = ''] = kept.directories;
    writeFileSync(join(site, 'sub/deep/made since'), 'theirs');
    for (let attempt = 0; attempt < 3; attempt += 1) {
      expect(await abandonFiles(agent, RUN, [directory], work)).toEqual({ kept: [directory] });
      expect(picture(site)).toEqual(damaged);
      expect(execFileSync('find', [join(directory, 'undone'), '-name', 'made since', '-exec', 'cat', '{}', '+'], { encoding: 'utf8' })).toBe('theirs');
    }
  });

  it.each([
    ['another account', 12, 0o700],
    ['root, open to others', 0, 0o755],
  ])('believe no journal in a staging directory of %s', async (_whose, uid, mode) => {
    const victim = join(root, 'site-of-root');
    mkdirSync(victim);
    writeFileSync(join(victim, 'passwd'), 'root only');
    // What an account that may write in the data set could put there, with the name that it reads from restic's arguments.
    const planted = join(site, 'sub', `.modosu-restore-${RUN}`);
    for (const name of ['', 'kept', 'undone', 'spare', 'direction-place', `staged${victim}`]) mkdirSync(join(planted, name), { recursive: true });
    writeFileSync(join(planted, `staged${victim}/passwd`), 'forged');
    const { dev, ino } = lstatSync(planted, { bigint: true });
    const staging = { device: String(dev), inode: String(ino) };
    writeFileSync(
      join(planted, 'journal.json'),
      JSON.stringify({
        format: 'modosu-files-journal',
        version: 1,
        runId: RUN,
        staging,
        anchor: victim,
        realAnchor: victim,
        items: [['r', join(victim, 'passwd'), 1, 6, 9]],
      }),
    );
    execFileSync('chown', ['-R', String(uid), planted]);
    chmodSync(planted, mode);
    expect(await findStaging(agent, { paths: [site], runId: RUN }, work)).toEqual([]);
    expect(await findStagingDirectories(agent, { paths: [site], runId: RUN }, work)).toEqual({ ours: [], strange: [planted] });
    const forged = { kept: { directories: [planted] }, parts: [], begun: [planted] };
    await expect(placeFiles(agent, { runId: RUN, ...forged }, work)).rejects.toMatchObject({ code: 'WAY_BACK_INCOMPLETE' });
    await expect(undoFiles(agent, forged.kept, RUN, work)).rejects.toMatchObject({ code: 'WAY_BACK_INCOMPLETE' });
    await expect(abandonFiles(agent, RUN, [planted], work)).rejects.toMatchObject({ code: 'WAY_BACK_INCOMPLETE' });
    expect(readFileSync(join(victim, 'passwd'), 'utf8')).toBe('root only');
  });

  it('keep what was written while the rest was still being put in place', async () => {
    damage();
    const { kept } = await place();
    const [directory = ''] = kept.directories;
    // As if the last things had been placed, and the mark been made, long after somebody wrote.
    writeFileSync(join(site, 'sub/deep/made since'), 'theirs');
    const later = Date.now() / 1000 + 60;
    utimesSync(join(directory, 'placed'), later, later);
    expect(await abandonFiles(agent, RUN, [directory], work)).toEqual({ kept: [directory] });
    expect(execFileSync('find', [join(directory, 'undone'), '-name', 'made since', '-exec', 'cat', '{}', '+'], { encoding: 'utf8' })).toBe('theirs');
  });

  it('keep what was brought there with older times, at the second attempt too', async () => {
    damage();
    const { kept } = await place();
    const [directory = ''] = kept.directories;
    writeFileSync(join(root, 'old'), 'theirs');
    utimesSync(join(root, 'old'), 1_000_000_000, 1_000_000_000);
    renameSync(join(root, 'old'), join(site, '-rf'));
    for (let attempt = 0; attempt < 2; attempt += 1) expect(await abandonFiles(agent, RUN, [directory], work)).toEqual({ kept: [directory] });
    expect(execFileSync('grep', ['-rl', 'theirs', join(directory, 'undone')], { encoding: 'utf8' })).not.toBe('');
  });

  it('say so when somebody has changed the owner of everything there: what is kept is neither believed nor forgotten', async () => {
    damage();
    const { kept } = await place();
    const [directory = ''] = kept.directories;
    chownSync(directory, 1000, 1000);
    await expect(undoFiles(agent, kept, RUN, work)).rejects.toMatchObject({
      code: 'WAY_BACK_INCOMPLETE',
      message: expect.stringContaining("not root's alone") as string,
      hint: expect.stringContaining('chown') as string,
    });
    chownSync(directory, 0, 0);
    await expect(undoFiles(agent, kept, RUN, work)).resolves.toMatchObject({ leftCount: 0 });
  });

  it('believe no journal that leads out of its data set, not even one of root', async () => {
    damage();
    const { kept } = await place();
    const journal = join(kept.directories[0] ?? '', 'journal.json');
    mkdirSync(join(root, 'elsewhere'));
    writeFileSync(journal, readFileSync(journal, 'utf8').replaceAll(`"${site}`, `"${root}/elsewhere`));
    await expect(undoFiles(agent, kept, RUN, work)).rejects.toMatchObject({ code: 'WAY_BACK_INCOMPLETE' });
  });

  it('go into directories whose group is inherited', async () => {
    chmodSync(site, 0o2775);
    damage();
    const then = readdirSync(saved, { recursive: true, encoding: 'utf8' }).length;
    const { leftCount } = await place();
    expect(leftCount).toBe(0);
    expect(readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((name) => !name.includes('.modosu-restore-')).length).toBe(then + 1);
  });
});

asRoot('files of a guest whose mover dies', () => {
  /** Dies before the n-th program that changes something; of one that moves many things half is done. */
  const dying = (at: number): HostAgent => {
    let count = 0;
    return new HostAgent({
      beforeStart: async ({ argv, input }: GuestProgram) => {
        if (!['mv', 'ln', 'rm', 'tee', 'touch', 'mkdir', 'sync'].some((program) => argv.includes(program))) return;
        count += 1;
        if (count === at + 1 && argv[0] === 'xargs' && argv.includes('-n')) {
          const paths = String(input).split('\0').slice(0, -1);
          await agent.exec(argv, {
            timeoutMs: 10_000,
            input: paths
              .slice(0, Math.floor(paths.length / 4) * 2)
              .map((path) => `${path}\0`)
              .join(''),
          });
        }
        if (count > at) throw new Error('dead');
      },
    });
  };

  async function whileDying(run: (mortal: HostAgent) => Promise<unknown>, then: (lived: boolean) => Promise<void>): Promise<number> {
    for (let at = 0; ; at += STRIDE) {
      const lived = await run(dying(at)).then(
        () => true,
        (error: Error) => {
          if (error.message !== 'dead') throw error;
          return false;
        },
      );
      await then(lived);
      if (lived) return at;
    }
  }

  it('finishes placing, at whatever step the first caller died', async () => {
    const then = picture(site);
    damage();
    const damaged = picture(site);
    const directory = `${site}/.modosu-restore-${RUN}`;
    const deaths = await whileDying(
      async (mortal) => place(true, mortal),
      async () => {
        const begun = await findStaging(agent, { paths: [site], runId: RUN }, work);
        const comparison = await compare();
        const again = comparison.parts.filter(({ base }) => !begun.includes(`${base}/.modosu-restore-${RUN}`));
        rmSync(join(directory, 'new'), { recursive: true, force: true });
        await stage({ ...comparison, parts: begun.length > 0 && existsSync(join(directory, 'staged')) ? again : comparison.parts });
        const { kept, leftCount } = await placeFiles(agent, { runId: RUN, parts: comparison.parts, begun }, work);
        expect(leftCount).toBe(0);
        expect(picture(site).filter((line) => !line.startsWith('extra '))).toEqual(then);
        await undoFiles(agent, kept, RUN, work);
        expect(picture(site)).toEqual(damaged);
        await confirmFiles(agent, kept, RUN, work);
      },
    );
    expect(deaths).toBeGreaterThan(10);
  });

  it('puts everything back, at whatever step the caller died', async () => {
    damage();
    const damaged = picture(site);
    const directory = `${site}/.modosu-restore-${RUN}`;
    await whileDying(
      async (mortal) => place(true, mortal),
      async () => {
        expect(await abandonFiles(agent, RUN, [directory], work)).toEqual({ kept: [] });
        expect(picture(site)).toEqual(damaged);
        expect(existsSync(directory)).toBe(false);
      },
    );
  });

  it('finishes an undo, or turns it round, at whatever step the first caller died', async () => {
    damage();
    const damaged = picture(site);
    const { kept } = await place();
    const placed = picture(site);
    await whileDying(
      (mortal) => undoFiles(mortal, kept, RUN, work),
      async () => {
        await undoFiles(agent, kept, RUN, work);
        expect(picture(site)).toEqual(damaged);
        await redoFiles(agent, kept, RUN, work);
        expect(picture(site)).toEqual(placed);
      },
    );
    await whileDying(
      (mortal) => undoFiles(mortal, kept, RUN, work),
      async () => {
        await redoFiles(agent, kept, RUN, work);
        expect(picture(site)).toEqual(placed);
      },
    );
    await undoFiles(agent, kept, RUN, work);
    await whileDying(
      (mortal) => redoFiles(mortal, kept, RUN, work),
      async () => {
        await undoFiles(agent, kept, RUN, work);
        expect(picture(site)).toEqual(damaged);
      },
    );
  });
});
