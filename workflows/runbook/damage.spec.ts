import { CancelledFailure } from '@temporalio/workflow';
import { ModosuError } from '../../src/contracts/errors';
import { markDamage, markIfDamaged, seenTwice } from './damage';

const mockMarkDamaged = jest.fn((..._said: unknown[]): Promise<void> => Promise.resolve());

jest.mock('@temporalio/workflow', () => ({
  ...jest.requireActual<Record<string, unknown>>('@temporalio/workflow'),
  proxyActivities: () => ({}),
  proxyLocalActivities: () => ({ markDamaged: (...said: unknown[]) => mockMarkDamaged(...said) }),
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

describe('what was found damaged', () => {
  beforeEach(() => mockMarkDamaged.mockClear());
  const inVda = new ModosuError('RECOVERY_POINT_CORRUPT', 'segment 3 differs', { context: { file: 'disks/vda.qcow2' } });

  it('is written down: of which, why, and in which file', async () => {
    await markDamage('rp_1', inVda.summary());
    expect(mockMarkDamaged.mock.calls).toEqual([['rp_1', 'segment 3 differs', { code: 'RECOVERY_POINT_CORRUPT', file: 'disks/vda.qcow2' }]]);
  });

  it('is thrown on as it was after it was written down, also where nobody could write it down', async () => {
    await expect(markIfDamaged('rp_1', inVda)).rejects.toBe(inVda);
    mockMarkDamaged.mockRejectedValueOnce(new Error('no database'));
    await expect(markIfDamaged('rp_1', inVda)).rejects.toBe(inVda);
    expect(mockMarkDamaged).toHaveBeenCalledTimes(2);
  });

  it('is nothing where what was thrown is no damage: that is thrown on, and nothing is written down', async () => {
    await expect(markIfDamaged('rp_1', AWAY)).rejects.toBe(AWAY);
    expect(mockMarkDamaged).not.toHaveBeenCalled();
  });
});
