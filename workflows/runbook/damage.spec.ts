import { CancelledFailure } from '@temporalio/workflow';
import { ModosuError } from '../../src/contracts/errors';
import { seenTwice } from './damage';

jest.mock('@temporalio/workflow', () => ({
  ...jest.requireActual<Record<string, unknown>>('@temporalio/workflow'),
  proxyActivities: () => ({}),
  proxyLocalActivities: () => ({}),
}));

const CORRUPT = new ModosuError('RECOVERY_POINT_CORRUPT', 'segment 3 differs');
const AWAY = new ModosuError('REPOSITORY_UNREACHABLE', 'gone');

/** What comes of each look, one after the other. */
const looks = (...outcomes: readonly (Error | null)[]) => {
  const left = [...outcomes];
  return jest.fn(async () => {
    const outcome = left.shift();
    if (outcome === undefined) throw new Error('nobody should have looked again');
    if (outcome !== null) throw outcome;
  });
};

describe('damage', () => {
  it('is none where the first look finds none', async () => {
    const pause = jest.fn(async () => undefined);
    expect(await seenTwice(looks(null), pause)).toBeNull();
    expect(pause).not.toHaveBeenCalled();
  });

  it('is believed when it is seen twice, and then in the words of the second look', async () => {
    const again = new ModosuError('RECOVERY_POINT_INCOMPLETE', 'vda is not there');
    const pause = jest.fn(async () => undefined);
    const read = looks(CORRUPT, again);
    expect(await seenTwice(read, pause)).toEqual(again.summary());
    expect(read).toHaveBeenCalledTimes(2);
    expect(pause).toHaveBeenCalledTimes(1);
  });

  it('is none where the second look finds none', async () => expect(await seenTwice(looks(CORRUPT, null))).toBeNull());

  it.each([
    ['at once', [AWAY]],
    ['also at the second look', [CORRUPT, AWAY]],
  ])('is not said by what is no damage: that is thrown, %s', async (_when, outcomes) => {
    await expect(seenTwice(looks(...outcomes))).rejects.toBe(AWAY);
  });

  it('is not looked for after a cancel', async () => {
    const cancel = new CancelledFailure('stop');
    await expect(seenTwice(looks(cancel))).rejects.toBe(cancel);
  });
});
