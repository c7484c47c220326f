import type { ImagePolicy } from '../../contracts/policy';
import { imageOptions } from './image-options';

const IMAGE: ImagePolicy = {
  schedule: { every: 'day', at: '02:00' },
  jitterMinutes: 10,
  rpoHours: null,
  retention: { last: 3, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, withinDays: 0 },
  mode: 'offline',
  allowCrashConsistent: true,
  maxIncrements: 4,
};

describe('how an image is taken', () => {
  it('is the word of the policy', () => {
    expect(imageOptions({ image: IMAGE })).toEqual({ mode: 'offline', allowCrashConsistent: true, maxIncrements: 4 });
    expect(imageOptions({ image: { ...IMAGE, maxIncrements: 0 } }).maxIncrements).toBe(0);
  });

  it.each([
    ['there is no policy', null],
    ['it says nothing of images', { image: null }],
  ])('is as the schema has it where %s', (_case, policy) => {
    expect(imageOptions(policy)).toEqual({ mode: 'online', allowCrashConsistent: false, maxIncrements: 13 });
  });
});
