import { openWayBack as wayBack } from '../../test/support/open-way-back';
import { ERROR_CODES } from '../contracts/error-codes';
import { afterRestore, afterUndo, requireConfirmable, requireOpen, requireUndoable } from './way-back-rules';

const code = (work: () => void): string => {
  try {
    work();
    return 'allowed';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('the way back', () => {
  it('may be taken while it is open, also before go-live', () => {
    expect(code(() => requireUndoable(wayBack(), [wayBack()]))).toBe('allowed');
    expect(code(() => requireUndoable(wayBack({ wentLiveAt: null }), []))).toBe('allowed');
  });

  it.each([
    ['undone', 'WAY_BACK_CLOSED'],
    ['confirmed', 'WAY_BACK_CLOSED'],
    ['reverted', 'WAY_BACK_NOT_FOUND'],
  ] as const)('that is %s can neither be taken nor given up', (state, expected) => {
    const closed = wayBack({ state, closedBy: 'run_9', closedAt: '2026-03-03T00:00:00.000Z' });
    expect(code(() => requireUndoable(closed, []))).toBe(expected);
    expect(code(() => requireConfirmable(closed))).toBe(expected);
  });

  it('says which run has used it up, and when', () => {
    const closed = wayBack({ state: 'confirmed', closedBy: 'run_9', closedAt: '2026-03-03T00:00:00.000Z' });
    expect(() => requireConfirmable(closed)).toThrow('were deleted by run run_9 at 2026-03-03T00:00:00.000Z');
  });

  it.each([
    [
      'undone',
      'run_9',
      {
        message: 'The volumes that run run_1 had kept were returned to by run run_9 at T.',
        context: { state: 'undone', runId: 'run_9' },
        hint: 'To have the undone state again, undo that run: modosu run undo run_9',
      },
    ],
    [
      'confirmed',
      'run_9',
      {
        message: 'The volumes that run run_1 had kept were deleted by run run_9 at T.',
        context: { state: 'confirmed', runId: 'run_9' },
        hint: ERROR_CODES.WAY_BACK_CLOSED.hint,
      },
    ],
    [
      'undone',
      null,
      {
        message: 'The volumes that run run_1 had kept were returned to by run unknown at an unknown time.',
        context: { state: 'undone' },
        hint: ERROR_CODES.WAY_BACK_CLOSED.hint,
      },
    ],
  ] as const)('that is %s by %s says where its volumes have gone', (state, closedBy, expected) => {
    expect(() => requireOpen(wayBack({ state, closedBy, closedAt: closedBy === null ? null : 'T' }))).toThrow(expect.objectContaining(expected));
  });

  it('is taken in order: the newest first', () => {
    const newer = wayBack({ runId: 'run_2', createdAt: '2026-03-02T11:00:00.000Z' });
    expect(code(() => requireUndoable(wayBack(), [newer, wayBack()]))).toBe('WAY_BACK_NOT_NEWEST');
    expect(code(() => requireUndoable(newer, [newer, wayBack()]))).toBe('allowed');
  });

  it('is taken in the order of the list, whatever the clocks of the workers said', () => {
    const older = wayBack({ createdAt: '2026-03-02T12:00:00.000Z' });
    const newer = wayBack({ runId: 'run_2', createdAt: '2026-03-02T11:00:00.000Z' });
    expect(() => requireUndoable(older, [newer, older])).toThrow(expect.objectContaining({ code: 'WAY_BACK_NOT_NEWEST', context: { runId: 'run_2' } }));
    expect(code(() => requireConfirmable(older))).toBe('allowed');
  });

  it('that was undone leads on to the undo of the undo', () => {
    const undone = wayBack({ state: 'undone', closedBy: 'run_9', closedAt: '2026-03-03T00:00:00.000Z' });
    expect(() => requireOpen(undone)).toThrow(expect.objectContaining({ hint: expect.stringContaining('modosu run undo run_9') }));
  });

  it('leads nowhere for a server that was gone', () => expect(code(() => requireUndoable(wayBack({ wasGone: true }), []))).toBe('WAY_BACK_EMPTY'));

  it('is given up only after go-live', () => {
    expect(code(() => requireConfirmable(wayBack()))).toBe('allowed');
    expect(() => requireConfirmable(wayBack({ wentLiveAt: null }))).toThrow(
      expect.objectContaining({
        code: 'RUN_NOT_LIVE',
        hint: 'Let it go live (modosu run go-live run_1 --reason TEXT) or undo it (modosu run undo run_1 --reason TEXT).',
      }),
    );
  });
});

describe('a swap', () => {
  const NOW = new Date('2026-03-02T10:00:00.000Z');
  const DATA = { dataSet: 'shop' } as never;

  it('of a restore begins a line of disks, in quarantine', () => {
    for (const data of [null, undefined]) expect(afterRestore({ data }, 'l0', 'l1', NOW)).toEqual({ lineageAfter: 'l1', wentLiveAt: null });
  });

  it('of data leaves the server on its line, and live', () => {
    expect(afterRestore({ data: DATA }, 'l0', 'l1', NOW)).toEqual({ lineageAfter: 'l0', wentLiveAt: NOW });
  });

  it('of an undo returns to the line that was left, and is live at once', () => {
    expect(afterUndo(wayBack({ lineageBefore: 'l0' }), 'l1', NOW)).toEqual({ lineageAfter: 'l0', wentLiveAt: NOW });
  });

  it('of an undo of data stays on the line that the server is on by now', () => {
    expect(afterUndo(wayBack({ lineageBefore: 'l0', data: DATA }), 'l2', NOW)).toEqual({ lineageAfter: 'l2', wentLiveAt: NOW });
  });
});
