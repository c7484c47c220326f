import type { RecoveryPointState } from '../../contracts/recovery-point';
import { requireCopyable, requireNotRemoving } from './movable';

const refused = (recoveryPointId: string, message: string): Error =>
  expect.objectContaining({
    code: 'RECOVERY_POINT_NOT_USABLE',
    message: expect.stringContaining(message) as string,
    context: { recoveryPointId },
  }) as Error;

it('what is not usable is not copied, and the first such is named', () => {
  expect(() => requireCopyable([{ id: 'a', state: 'usable' }])).not.toThrow();
  for (const state of ['damaged', 'expired', 'deleted'] as const satisfies readonly RecoveryPointState[]) {
    expect(() =>
      requireCopyable([
        { id: 'a', state: 'usable' },
        { id: 'b', state },
      ]),
    ).toThrow(refused('b', `Recovery point b is ${state}`));
  }
});

it('what is being removed is not fetched: before it was let go, or once it is gone, it may be', () => {
  const removedAt = new Date('2026-03-10T00:00:00.000Z');
  expect(() => requireNotRemoving([{ id: 'a', state: 'usable', removedAt: null }])).not.toThrow();
  expect(() => requireNotRemoving([{ id: 'a', state: 'expired', removedAt: null }])).not.toThrow();
  expect(() => requireNotRemoving([{ id: 'a', state: 'deleted', removedAt }])).not.toThrow();
  const going = [
    { id: 'a', state: 'usable', removedAt: null },
    { id: 'b', state: 'deleted', removedAt: null },
  ] as const;
  expect(() => requireNotRemoving(going)).toThrow(refused('b', 'are being removed just now'));
});
