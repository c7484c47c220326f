import type { SnapshotEntry } from '../../contracts/data';
import { compareFiles, isInside, parentOf, stagingDirectory, type LiveEntry, type LiveListing } from './file-comparison';

const entry = (path: string, change: Partial<SnapshotEntry> = {}): SnapshotEntry => ({
  path,
  type: 'file',
  sizeBytes: 10,
  mtime: 1_600_000_000,
  mode: 0o644,
  uid: 0,
  gid: 0,
  ...change,
});
const directory = (path: string, change: Partial<SnapshotEntry> = {}): SnapshotEntry => entry(path, { type: 'dir', sizeBytes: 0, mode: 0o755, ...change });
const live = (one: SnapshotEntry, device = '1'): LiveEntry => ({ ...one, device });
const listing = (entries: readonly LiveEntry[], above: readonly string[] = ['/', '/srv']): LiveListing => ({
  entries,
  above: above.map((path) => live(directory(path))),
  missing: [],
  truncated: false,
  problems: [],
});
const options = { declared: ['/srv/www'], selected: [], replace: true };
const words = (changes: readonly { readonly effect: string; readonly what: string; readonly count: number }[]): string[] =>
  changes.map(({ effect, what, count }) => `${effect} ${count} ${what}`);

describe('what a restore of files would do', () => {
  it('is nothing where everything is the same, whatever the times of directories', () => {
    const then = [directory('/srv/www', { mtime: 1 }), entry('/srv/www/a'), entry('/srv/www/l', { type: 'symlink', sizeBytes: 0, mode: 0o777 })];
    const now = [
      live(directory('/srv/www', { mtime: 2 })),
      live(entry('/srv/www/a')),
      live(entry('/srv/www/l', { type: 'symlink', sizeBytes: 5, mode: 0o777 })),
    ];
    const compared = compareFiles(then, listing(now), options);
    expect(compared).toMatchObject({ parts: [], addedFiles: 0, replacedFiles: 0, bytes: 0, keptBytes: 0 });
    expect(words(compared.changes)).toEqual(['untouched 2 files that are the same']);
  });

  it('adds what is missing by as few renames as there are topmost missing things', () => {
    const then = [
      directory('/srv/www'),
      directory('/srv/www/a'),
      entry('/srv/www/a-b'),
      entry('/srv/www/a/1'),
      directory('/srv/www/a/deep'),
      entry('/srv/www/a/deep/2', { sizeBytes: 5 }),
      entry('/srv/www/b/3'),
      directory('/srv/www/b'),
    ];
    const now = [live(directory('/srv/www')), live(directory('/srv/www/b'))];
    const compared = compareFiles(then, listing(now), options);
    expect(compared.parts).toMatchObject([
      {
        base: '/srv/www',
        anchor: '/srv/www',
        added: [
          { path: '/srv/www/a', type: 'dir', files: 2, bytes: 15 },
          { path: '/srv/www/a-b', type: 'file', files: 1, bytes: 10 },
          { path: '/srv/www/b/3', type: 'file', files: 1, bytes: 10 },
        ],
        include: ['/srv/www/a', '/srv/www/a-b', '/srv/www/b/3'],
        bytes: 35,
      },
    ]);
    expect(words(compared.changes)).toEqual(['added 4 files', 'added 2 directories']);
  });

  it.each([
    ['size', { sizeBytes: 11 }],
    ['second of change', { mtime: 1_600_000_001 }],
    ['mode', { mode: 0o600 }],
    ['owner', { uid: 7 }],
    ['group', { gid: 7 }],
    ['type', { type: 'symlink' as const }],
  ])('sees another %s', (_what, change) => {
    const now = listing([live(directory('/srv/www')), live(entry('/srv/www/a', change))]);
    const then = [directory('/srv/www'), entry('/srv/www/a')];
    expect(compareFiles(then, now, options).parts).toMatchObject([{ replaced: [{ path: '/srv/www/a', bytes: 10 }], include: ['/srv/www/a'] }]);
    const kept = compareFiles(then, now, { ...options, replace: false });
    expect(kept.parts).toEqual([]);
    expect(words(kept.changes)).toEqual(['kept 1 files that differ']);
  });

  it('takes a link for the same by its time alone, and a device or a pipe in any case', () => {
    const then = [directory('/srv/www'), entry('/srv/www/l', { type: 'symlink' }), entry('/srv/www/p', { type: 'other' })];
    const now = (link: Partial<SnapshotEntry>, pipe: Partial<SnapshotEntry>) =>
      listing([live(directory('/srv/www')), live(entry('/srv/www/l', { type: 'symlink', ...link })), live(entry('/srv/www/p', { type: 'other', ...pipe }))]);
    expect(compareFiles(then, now({ sizeBytes: 3, mode: 0o700 }, { mtime: 1, uid: 7, mode: 0 }), options).parts).toEqual([]);
    for (const change of [{ mtime: 1 }, { uid: 7 }, { gid: 7 }]) {
      expect(compareFiles(then, now(change, {}), options).parts[0]?.replaced.map(({ path }) => path)).toEqual(['/srv/www/l']);
    }
  });

  it('leaves directories that exist as they are, and says which have another mode or owner', () => {
    for (const change of [{ mode: 0o700 }, { uid: 7 }, { gid: 7 }]) {
      const compared = compareFiles(
        [directory('/srv/www'), directory('/srv/www/d')],
        listing([live(directory('/srv/www')), live(directory('/srv/www/d', change))]),
        options,
      );
      expect(compared).toMatchObject({
        parts: [],
        changes: [{ effect: 'kept', what: 'directories with another mode or owner', count: 1, bytes: null, examples: ['/srv/www/d'] }],
      });
    }
  });

  it.each([
    ['a file', 'a pipe', 'file', 'other', 1],
    ['a pipe', 'a file', 'other', 'file', 1],
    ['a link', 'a directory', 'symlink', 'dir', 1],
    ['a directory', 'a link', 'dir', 'symlink', 1],
    ['a link', 'a file', 'symlink', 'file', 0],
  ] as const)('%s in whose place %s stands', (_then, _now, was, is, conflicts) => {
    expect(
      compareFiles(
        [directory('/srv/www'), entry('/srv/www/x', { type: was })],
        listing([live(directory('/srv/www')), live(entry('/srv/www/x', { type: is }))]),
        options,
      ).conflicts,
    ).toHaveLength(conflicts);
  });

  it('counts what is brought and what is kept: bytes of files alone', () => {
    const then = [
      directory('/srv/www'),
      entry('/srv/www/a', { sizeBytes: 3 }),
      entry('/srv/www/b', { sizeBytes: 5 }),
      entry('/srv/www/d/l', { type: 'symlink', sizeBytes: 100 }),
      directory('/srv/www/d', { sizeBytes: 4096 }),
      entry('/srv/www/d/c', { sizeBytes: 7 }),
    ];
    const now = [
      live(directory('/srv/www')),
      live(entry('/srv/www/a', { sizeBytes: 11 })),
      live(entry('/srv/www/b', { sizeBytes: 13 })),
      live(entry('/srv/www/more', { sizeBytes: 17 })),
      live(directory('/srv/www/dir')),
    ];
    const compared = compareFiles(then, listing(now), options);
    expect(compared).toMatchObject({ addedFiles: 2, replacedFiles: 2, bytes: 15, keptBytes: 24, conflicts: [], unnameable: [] });
    expect(compared.parts).toEqual([
      {
        base: '/srv/www',
        anchor: '/srv/www',
        bytes: 15,
        fetchBytes: 15,
        include: ['/srv/www/d', '/srv/www/a', '/srv/www/b'],
        added: [{ path: '/srv/www/d', type: 'dir', files: 2, bytes: 7 }],
        replaced: [
          { path: '/srv/www/a', bytes: 3, keptBytes: 11 },
          { path: '/srv/www/b', bytes: 5, keptBytes: 13 },
        ],
        expected: [then[4], then[5], then[3], then[1], then[2]],
      },
    ]);
    expect(compared.changes).toEqual([
      { effect: 'added', what: 'files', count: 2, bytes: 7, examples: ['/srv/www/d/c', '/srv/www/d/l'] },
      { effect: 'added', what: 'directories', count: 1, bytes: null, examples: ['/srv/www/d'] },
      { effect: 'replaced', what: 'files', count: 2, bytes: 8, examples: ['/srv/www/a', '/srv/www/b'] },
      { effect: 'untouched', what: 'files that are not in the recovery point', count: 1, bytes: 17, examples: ['/srv/www/more'] },
    ]);
    expect(compareFiles(then, listing(now), { ...options, replace: false })).toMatchObject({ replacedFiles: 0, bytes: 7, keptBytes: 0 });
  });

  it('fetches of a directory that has to be made above what was asked for only that', () => {
    const then = [entry('/srv/www/a/b/1'), entry('/srv/www/a/c/2')];
    const asked = ['/srv/www/a/b', '/srv/www/a/c/2', '/srv/www/else'];
    const [part] = compareFiles(then, { ...listing([], ['/', '/srv', '/srv/www']), missing: asked }, { ...options, selected: asked }).parts;
    expect(part).toMatchObject({ include: ['/srv/www/a/b', '/srv/www/a/c/2'], added: [{ path: '/srv/www/a', type: 'dir', files: 2, bytes: 20 }] });
  });

  it('never lets a directory give way to a file, or a file to a directory, nor what would lie in it', () => {
    const then = [directory('/srv/www'), directory('/srv/www/d'), entry('/srv/www/d/x'), entry('/srv/www/f')];
    const now = [live(directory('/srv/www')), live(entry('/srv/www/d', { type: 'symlink' })), live(directory('/srv/www/f')), live(entry('/srv/www/f/y'))];
    const compared = compareFiles(then, listing(now), options);
    expect(compared.parts).toEqual([]);
    expect(compared.conflicts).toEqual(['/srv/www/d', '/srv/www/d/x', '/srv/www/f']);
    expect(words(compared.changes)).toEqual([
      'kept 2 files in whose place something of another type stands',
      'kept 1 directories in whose place something of another type stands',
      'untouched 1 files that are not in the recovery point',
    ]);
  });

  it('touches nothing below a link, whatever the guest says stands there', () => {
    const now = [
      live(directory('/srv/www')),
      live(entry('/srv/www/d', { type: 'symlink' })),
      live(entry('/srv/www/d/x', { sizeBytes: 11 })),
      live(directory('/srv/www/d/deep')),
    ];
    const compared = compareFiles(
      [directory('/srv/www'), directory('/srv/www/d'), entry('/srv/www/d/x'), directory('/srv/www/d/deep'), entry('/srv/www/d/deep/y')],
      listing(now),
      options,
    );
    expect(compared).toMatchObject({ parts: [], replacedFiles: 0, conflicts: ['/srv/www/d', '/srv/www/d/deep', '/srv/www/d/deep/y', '/srv/www/d/x'] });
  });

  it('brings back a declared path that is gone into the directory that it lay in', () => {
    const compared = compareFiles(
      [directory('/srv/www/site'), entry('/srv/www/site/a')],
      { ...listing([], ['/', '/srv', '/srv/www']), missing: ['/srv/www/site'] },
      { ...options, declared: ['/srv/www/site'] },
    );
    expect(compared.parts).toMatchObject([{ base: '/srv/www', anchor: '/srv/www', added: [{ path: '/srv/www/site', type: 'dir', files: 1 }] }]);
  });

  it('climbs no further than directories that it knows', () => {
    const compared = compareFiles([entry('/srv/www/d/x')], listing([live(directory('/srv/www')), live(directory('/srv/www/d'))], []), {
      ...options,
      declared: ['/srv'],
    });
    expect(compared.parts).toMatchObject([{ base: '/srv/www', anchor: '/' }]);
  });

  it('brings back a declared path that is gone from the nearest directory that stands', () => {
    const then = [directory('/srv/www/site'), entry('/srv/www/site/a')];
    const compared = compareFiles(then, { ...listing([]), missing: ['/srv/www/site'] }, { ...options, declared: ['/srv/www/site'] });
    expect(compared.parts).toMatchObject([{ base: '/srv', anchor: '/srv', added: [{ path: '/srv/www', type: 'dir', files: 1 }], include: ['/srv/www/site'] }]);
  });

  it('makes missing directories above a selected file, and stages in the declared path', () => {
    const compared = compareFiles(
      [entry('/srv/www/a/b/file')],
      { ...listing([], ['/', '/srv', '/srv/www']), missing: ['/srv/www/a/b/file'] },
      { ...options, selected: ['/srv/www/a/b/file'] },
    );
    expect(compared.parts).toMatchObject([
      {
        base: '/srv/www',
        anchor: '/srv/www',
        added: [{ path: '/srv/www/a', type: 'dir', files: 1 }],
        include: ['/srv/www/a/b/file'],
        bytes: 10,
        fetchBytes: 10,
      },
    ]);
  });

  it('blocks what lies below something that is no directory now, also above the selection', () => {
    const above = [...listing([]).above, live(directory('/srv/www')), live(entry('/srv/www/a', { type: 'symlink' }))];
    const compared = compareFiles([entry('/srv/www/a/b')], { ...listing([]), above }, { ...options, selected: ['/srv/www/a/b'] });
    expect(compared).toMatchObject({ parts: [], conflicts: ['/srv/www/a/b'] });
    expect(words(compared.changes)).toEqual(['kept 1 files in whose place something of another type stands']);
  });

  it('stages on each file system by itself, where it is mounted', () => {
    const then = [
      directory('/srv/www'),
      entry('/srv/www/a'),
      directory('/srv/www/m'),
      directory('/srv/www/m/d'),
      entry('/srv/www/m/d/b'),
      entry('/srv/www/m/c'),
    ];
    const now = [
      live(directory('/srv/www')),
      live(directory('/srv/www/m'), '2'),
      live(directory('/srv/www/m/d'), '2'),
      live(entry('/srv/www/m/c', { mode: 0o600 }), '2'),
    ];
    const compared = compareFiles(then, listing(now), options);
    expect(
      compared.parts.map(({ base, anchor, added, replaced }) => ({
        base,
        anchor,
        added: added.map(({ path }) => path),
        replaced: replaced.map(({ path }) => path),
      })),
    ).toEqual([
      { base: '/srv/www', anchor: '/srv/www', added: ['/srv/www/a'], replaced: [] },
      { base: '/srv/www/m', anchor: '/srv/www', added: ['/srv/www/m/d/b'], replaced: ['/srv/www/m/c'] },
    ]);
  });

  it.each([
    ['of the declared path that it lies in', ['/srv/other', '/srv/www'], '/srv/www/d/x', '/srv/www', '/srv/www'],
    ['of the path itself where none is declared', ['/srv/other'], '/srv/www/d/x', '/srv/www/d', '/srv/www/d'],
    ['where everything is declared', ['/'], '/srv/www/d/x', '/', '/'],
  ])('stages in the directory %s', (_what, declared, path, anchor, base) => {
    const now = listing([live(directory('/srv/www')), live(directory('/srv/www/d'))]);
    expect(compareFiles([entry(path)], now, { ...options, declared }).parts).toMatchObject([{ anchor, base }]);
  });

  it('stages at the root of the file system where the declared path is gone with all above it', () => {
    expect(compareFiles([entry('/a/b/c')], { ...listing([], ['/']), missing: ['/a/b'] }, { ...options, declared: ['/a/b'] }).parts).toMatchObject([
      { base: '/', anchor: '/', added: [{ path: '/a', type: 'dir' }], include: ['/a/b'] },
    ]);
    // Not even the root was told of: nothing stands in the way of it.
    expect(compareFiles([entry('/a/b/c')], { ...listing([], []), missing: ['/a/b'] }, { ...options, declared: ['/a/b'] }).parts).toMatchObject([
      { base: '/', anchor: '/', added: [{ path: '/a' }] },
    ]);
  });

  it.each([
    ['as many names as are few', 200, 1, 200],
    ['one name more', 201, 1, 1],
    ['paths of as many characters as are few', 100, 300, 100],
    ['paths of more characters', 100, 301, 1],
  ])('names what is missing: %s', (_what, count, characters, named) => {
    const width = Math.max(4, characters - '/srv/www/'.length);
    const then = [directory('/srv/www'), ...Array.from({ length: count }, (_, number) => entry(`/srv/www/${String(number).padStart(width, '0')}`))];
    expect(compareFiles(then, listing([live(directory('/srv/www'))]), options).parts[0]?.include).toHaveLength(named);
  });

  it('asks restic for what was selected when too many things would have to be named', () => {
    const then = [directory('/srv/www'), ...Array.from({ length: 300 }, (_, number) => entry(`/srv/www/${String(number).padStart(3, '0')}`))];
    const [part] = compareFiles(then, listing([live(directory('/srv/www'))]), options).parts;
    expect(part?.include).toEqual(['/srv/www']);
    expect(part?.added).toHaveLength(300);
  });

  it('names the directories of files that are too many, and counts what restic writes for them: not the whole data set', () => {
    const many = (where: string, count: number): SnapshotEntry[] =>
      Array.from({ length: count }, (_, number) => entry(`${where}/${String(number).padStart(3, '0')}`));
    const directories = ['/srv/www', '/srv/www/big', '/srv/www/x', '/srv/www/x/y', '/srv/www/x/z'].map((path) => directory(path));
    const then = [...directories, ...many('/srv/www/big', 1000), ...many('/srv/www/x/y', 250), ...many('/srv/www/x/z', 5)];
    const now = [...directories, ...many('/srv/www/big', 1000), ...many('/srv/www/x/y', 40)].map((one) => live(one));
    const [part] = compareFiles(then, listing(now), options).parts;
    expect(part?.include).toEqual(expect.arrayContaining(['/srv/www/x/y', '/srv/www/x/z']));
    expect(part?.include).toHaveLength(2);
    expect(part).toMatchObject({ bytes: 215 * 10, fetchBytes: 255 * 10 });
  });

  it('climbs where files are too many, and leaves a file higher up alone', () => {
    const long = `/srv/www/${'x'.repeat(60)}`;
    const then = [directory('/srv/www'), directory('/srv/www/x'), ...Array.from({ length: 250 }, (_, number) => entry(`/srv/www/x/${number}`)), entry(long)];
    const [part] = compareFiles(then, listing([live(directory('/srv/www')), live(directory('/srv/www/x'))]), options).parts;
    expect([...(part?.include ?? [])].sort()).toEqual(['/srv/www/x', long]);
  });

  it('names all that was asked for, however many, and nothing twice', () => {
    const asked = Array.from({ length: 201 }, (_, number) => `/srv/www/a/b/${number}`);
    const now = listing(['/srv/www', '/srv/www/a', '/srv/www/a/b'].map((path) => live(directory(path))));
    expect(
      compareFiles(
        asked.map((path) => entry(path)),
        now,
        { ...options, selected: asked },
      ).parts[0]?.include,
    ).toHaveLength(201);
    const more = [...asked.map((path) => entry(path)), entry('/srv/www/a/b/deep/one')];
    const inside = listing(['/srv/www', '/srv/www/a', '/srv/www/a/b', '/srv/www/a/b/deep'].map((path) => live(directory(path))));
    expect(compareFiles(more, inside, { ...options, selected: ['/srv/www/a/b', '/srv/www/a/b/deep/one'] }).parts[0]?.include).toEqual(['/srv/www/a/b']);
  });

  it('leaves names alone that are not UTF-8, and brings them along inside a directory that is missing', () => {
    const then = [directory('/srv/www'), entry('/srv/www/bad\uFFFD'), directory('/srv/www/d'), entry('/srv/www/d/bad\uFFFD')];
    const compared = compareFiles(then, listing([live(directory('/srv/www'))]), options);
    expect(compared.unnameable).toEqual(['/srv/www/bad\uFFFD']);
    expect(compared.parts[0]?.added.map(({ path }) => path)).toEqual(['/srv/www/d']);
    expect(words(compared.changes)).toEqual(['added 1 files', 'added 1 directories', 'kept 1 files whose names are not UTF-8']);
  });

  it('leaves what differs and cannot be named, and all in a directory that cannot be named', () => {
    const then = [directory('/srv/www'), entry('/srv/www/bad\uFFFD'), entry('/srv/www/same\uFFFD'), directory('/srv/www/d\uFFFD'), entry('/srv/www/d\uFFFD/x')];
    const now = [live(directory('/srv/www')), live(entry('/srv/www/bad\uFFFD', { sizeBytes: 11 })), live(entry('/srv/www/same\uFFFD'))];
    const compared = compareFiles(then, listing(now), options);
    expect(compared.parts).toEqual([]);
    expect(compared.unnameable).toEqual(['/srv/www/bad\uFFFD', '/srv/www/d\uFFFD', '/srv/www/d\uFFFD/x']);
    expect(words(compared.changes)).toEqual([
      'kept 2 files whose names are not UTF-8',
      'kept 1 directories whose names are not UTF-8',
      'untouched 1 files that are the same',
    ]);
  });

  it('shows at most 20 examples of each, and counts all', () => {
    const then = [directory('/srv/www'), ...Array.from({ length: 50 }, (_, number) => entry(`/srv/www/${number}`))];
    const { changes } = compareFiles(then, listing([live(directory('/srv/www'))]), options);
    expect(changes[0]).toMatchObject({ effect: 'added', count: 50, bytes: 500 });
    expect(changes[0]?.examples).toHaveLength(20);
  });
});

it('knows what lies where', () => {
  expect(['/', '/a', '/a/b'].map(parentOf)).toEqual(['/', '/', '/a']);
  expect(isInside('/a/b', '/a')).toBe(true);
  expect(isInside('/ab', '/a')).toBe(false);
  expect(isInside('/a', '/')).toBe(true);
  expect([isInside('/a', '/a'), isInside('/', '/'), isInside('a', '/'), isInside('/a', '/a/b')]).toEqual([true, true, false, false]);
  expect(stagingDirectory('/srv', 'r')).toBe('/srv/.modosu-restore-r');
  expect(stagingDirectory('/', 'r')).toBe('/.modosu-restore-r');
});
