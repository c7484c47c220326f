import type { DataChange } from '../../contracts/data';
import { agentSilent, describeFilesUndo, fileFindings, fileLosses, serverAlive, type FileTroubles } from './data-findings';

const NONE: FileTroubles = { conflicts: [], unnameable: [], truncated: false, problems: [] };
const many = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `/srv/${index}`);

describe('a server into which data comes back', () => {
  it('runs on', () =>
    expect(serverAlive).toEqual({
      code: 'SERVER_ALIVE',
      severity: 'ok',
      message: 'The server is running and its guest agent answers: the data comes back while it runs on.',
      evidence: [],
    }));

  it('cannot be one whose agent does not answer', () =>
    expect(agentSilent({ powerState: 'off', agent: { state: 'absent', version: null, commands: [] } })).toEqual({
      code: 'AGENT_SILENT',
      severity: 'block',
      message: 'The guest agent does not answer: data is brought back by programs that run in the guest.',
      remedy: 'Start the server and its guest agent, or restore the whole server (--scenario server).',
      evidence: ['power state off', 'agent absent'],
    }));
});

describe('files', () => {
  it('may have nothing against them', () => expect(fileFindings(NONE)).toEqual([]));

  it('are too many to be compared', () =>
    expect(fileFindings({ ...NONE, truncated: true })).toEqual([
      {
        code: 'TOO_MANY_FILES',
        severity: 'block',
        message: 'There are more files in the guest than can be compared.',
        remedy: 'Choose a part of the data set with --path.',
        evidence: [],
      },
    ]));

  it('cannot all be looked at', () =>
    expect(fileFindings({ ...NONE, problems: ['/srv/x: Permission denied'] })).toEqual([
      { code: 'FILES_NOT_READABLE', severity: 'warn', message: 'Not everything could be looked at.', evidence: ['/srv/x: Permission denied'] },
    ]));

  it.each([
    [['/srv/a\n\u001b[2Jb'], 'One file stays as it is: something of another type stands in the place.', ['/srv/a [2Jb']],
    [['/srv/a', '/srv/b'], '2 files stay as they are: something of another type stands in the place.', ['/srv/a', '/srv/b']],
    [many(21), '21 files stay as they are: something of another type stands in the place.', many(20)],
  ])('stay where another type stands in the place', (conflicts, message, evidence) =>
    expect(fileFindings({ ...NONE, conflicts })).toEqual([
      { code: 'FILE_TYPE_DIFFERS', severity: 'warn', message, remedy: 'Move what stands there away, then plan again.', evidence },
    ]),
  );

  it.each([
    [['/srv/a\n\u001b[2Jb'], 'One file cannot be put in place: the name is no UTF-8, which a guest agent cannot be told.', ['/srv/a [2Jb']],
    [['/srv/a', '/srv/b'], '2 files cannot be put in place: the name is no UTF-8, which a guest agent cannot be told.', ['/srv/a', '/srv/b']],
    [many(21), '21 files cannot be put in place: the name is no UTF-8, which a guest agent cannot be told.', many(20)],
  ])('stay out whose names nobody can say', (unnameable, message, evidence) =>
    expect(fileFindings({ ...NONE, unnameable })).toEqual([
      { code: 'FILE_NAME_NOT_UTF8', severity: 'warn', message, remedy: 'Restore them by hand with restic in the guest.', evidence },
    ]),
  );

  it('are told about in this order', () =>
    expect(fileFindings({ truncated: true, problems: ['x'], conflicts: ['/a'], unnameable: ['/b'] }).map(({ code }) => code)).toEqual([
      'TOO_MANY_FILES',
      'FILES_NOT_READABLE',
      'FILE_TYPE_DIFFERS',
      'FILE_NAME_NOT_UTF8',
    ]));

  it('that are replaced go back in time, others lose nothing', () => {
    const change = (effect: DataChange['effect'], count: number): DataChange => ({ effect, what: 'files', count, bytes: null, examples: [] });
    expect(fileLosses([change('added', 5), change('kept', 5), change('replaced', 0)])).toEqual([]);
    expect(fileLosses([change('replaced', 1), change('added', 5)])).toEqual([
      'One file that differs goes back to the recovery point; what stands there now is kept until `modosu run confirm`.',
    ]);
    expect(fileLosses([change('replaced', 1), change('replaced', 2)])).toEqual([
      '3 files that differ go back to the recovery point; what stands there now is kept until `modosu run confirm`.',
    ]);
  });
});

describe('undoing a restore of files', () => {
  const kept = { kind: 'files', directories: ['/srv'], added: 4, replaced: 3, keptBytes: 70 } as const;
  const changes = [
    { effect: 'replaced', what: 'files that were replaced', count: 3, bytes: 70, examples: [] },
    { effect: 'kept', what: 'files that were added: moved away, not deleted', count: 4, bytes: null, examples: [] },
  ];

  it('changes what was restored, and loses nothing that nobody has written to', () =>
    expect(describeFilesUndo(kept, { changed: 0, examples: [], atLeast: false })).toEqual({ changes, findings: [], losses: [] }));

  it('moves away what was written since', () =>
    expect(describeFilesUndo(kept, { changed: 2, examples: ['/srv/a'], atLeast: false })).toEqual({
      changes: [...changes, { effect: 'kept', what: 'files written since', count: 2, bytes: null, examples: ['/srv/a'] }],
      findings: [],
      losses: ['2 restored files were written since: moved away with what was written, back when the undo is undone.'],
    }));

  it('says one as one', () => expect(describeFilesUndo(kept, { changed: 1, examples: [], atLeast: false }).losses[0]).toMatch(/^1 restored file was written/));

  it('does not hide that there may be more', () =>
    expect(describeFilesUndo(kept, { changed: 9, examples: [], atLeast: true }).losses[0]).toMatch(/^At least 9 restored files were written since: /));
});
