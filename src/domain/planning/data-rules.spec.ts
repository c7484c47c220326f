import type { PostgresqlContent, SnapshotEntry } from '../../contracts/data';
import { requireAsPlanned, requireGuestPrograms, requireSaved, requireSuperuser } from './data-rules';

const error = (code: string, message: string, more: object = {}): Error => expect.objectContaining({ code, message, ...more });

describe('work on data', () => {
  it('needs an agent that runs programs', () => {
    expect(() => requireGuestPrograms(['guest-ping', 'guest-exec'], 'db01')).not.toThrow();
    expect(() => requireGuestPrograms(['guest-exec-status'], 'db01')).toThrow(
      error('GUEST_COMMAND_FORBIDDEN', 'The guest agent of db01 does not run programs: restic and the databases cannot be reached.'),
    );
  });

  it('needs a superuser of the database server', () => {
    expect(() => requireSuperuser({ user: 'app' }, true, 'db01')).not.toThrow();
    expect(() => requireSuperuser({ user: 'app' }, false, 'db01')).toThrow(
      error('DUMP_FAILED', '"app" is no superuser of the database server in db01: roles and settings could not be saved.', {
        hint: 'Name a superuser as "user" of the data set.',
      }),
    );
  });
});

describe('what was saved', () => {
  const entry = (path: string, sizeBytes: number, type: SnapshotEntry['type'] = 'file'): SnapshotEntry => ({
    path,
    type,
    sizeBytes,
    mtime: 0,
    mode: 0o644,
    uid: 0,
    gid: 0,
  });
  const files = { snapshotId: 'abcdef0123456789', content: { kind: 'files', paths: ['/srv'], files: 2, totalBytes: 5, problems: [] } } as const;
  const content: PostgresqlContent = {
    kind: 'postgresql',
    engineVersion: '15.1',
    engineMajor: 15,
    directory: '/spool/run_1',
    factsFile: 'facts.json',
    globalsFile: 'globals.sql',
    databases: [
      { name: 'shop', file: '0.dump', sizeBytes: 10, tables: 1, rows: 1 },
      { name: 'crm', file: '1.dump', sizeBytes: 0, tables: 0, rows: 0 },
    ],
  };
  const held = [
    entry('/spool/run_1', 0, 'dir'),
    entry('/spool/run_1/0.dump', 10),
    entry('/spool/run_1/1.dump', 0),
    entry('/spool/run_1/facts.json', 3),
    entry('/spool/run_1/globals.sql', 4),
  ];
  const dumps = (entries: readonly SnapshotEntry[]) =>
    requireSaved({ name: 'shop' }, { snapshotId: 'abcdef0123456789', content }, ['other', 'abcdef0123456789'], entries);

  it('is counted as the repository lists it: files alone', () =>
    expect(
      requireSaved(
        { name: 'uploads' },
        files,
        [files.snapshotId],
        [entry('/srv', 9, 'dir'), entry('/srv/a', 2), entry('/srv/l', 7, 'symlink'), entry('/srv/b', 3)],
      ),
    ).toEqual({ files: 2, totalBytes: 5 }));

  it('is nothing without its snapshot', () =>
    expect(() => requireSaved({ name: 'uploads' }, files, ['abcdef0123'], [])).toThrow(
      error('RECOVERY_POINT_INCOMPLETE', 'The repository has no snapshot abcdef0123 of the data set "uploads", although restic in the guest has reported it.'),
    ));

  it('of a database is every dump with its size, the facts and the globals', () => expect(dumps(held)).toEqual({ files: 4, totalBytes: 17 }));

  it.each(['0.dump', '1.dump', 'facts.json', 'globals.sql'])('of a database is incomplete without %s', (file) =>
    expect(() => dumps(held.filter(({ path }) => path !== `/spool/run_1/${file}`))).toThrow(
      error('RECOVERY_POINT_INCOMPLETE', `The snapshot holds /spool/run_1/${file} not, or not as it was dumped.`),
    ),
  );

  it('of a database is incomplete with a dump of another size, or one that is no file', () => {
    const wrong = error('RECOVERY_POINT_INCOMPLETE', 'The snapshot holds /spool/run_1/1.dump not, or not as it was dumped.');
    expect(() => dumps(held.map((one) => (one.path.endsWith('1.dump') ? { ...one, sizeBytes: 1 } : one)))).toThrow(wrong);
    expect(() => dumps(held.map((one) => (one.path.endsWith('1.dump') ? { ...one, type: 'symlink' } : one)))).toThrow(wrong);
  });
});

describe('an approval', () => {
  const judged =
    (plannedReplaced: number | null, replacedFiles: number, truncated = false) =>
    () =>
      requireAsPlanned({ plannedReplaced, replacedFiles, truncated });

  it('covers ten files more than the plan says, or a tenth', () => {
    expect(judged(0, 10)).not.toThrow();
    expect(judged(0, 11)).toThrow(
      error('PLAN_STALE', 'The plan says that 0 files are replaced; by now 11 differ from the recovery point. Nothing was replaced.', {
        context: { planned: 0, found: 11 },
      }),
    );
    expect(judged(1, 12)).toThrow(
      error('PLAN_STALE', 'The plan says that 1 file is replaced; by now 12 differ from the recovery point. Nothing was replaced.'),
    );
    expect(judged(1_000, 1_100)).not.toThrow();
    expect(judged(1_000, 1_101)).toThrow(
      error('PLAN_STALE', 'The plan says that 1000 files are replaced; by now 1101 differ from the recovery point. Nothing was replaced.'),
    );
  });

  it('covers everything where the plan gave no number', () => expect(judged(null, 1_000_000)).not.toThrow());

  it('covers nothing that could not be compared', () =>
    expect(judged(null, 0, true)).toThrow(
      error('DATA_RESTORE_FAILED', 'There are more files in the guest than can be compared.', { hint: 'Choose a part of the data set with --path.' }),
    ));
});
