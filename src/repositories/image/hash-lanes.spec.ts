import { HashLanes } from './hash-lanes';

describe('HashLanes', () => {
  let lanes: HashLanes;
  beforeEach(() => {
    lanes = new HashLanes(new AbortController().signal);
  });
  afterEach(() => lanes.close());

  it('visits every segment once', async () => {
    const seen: number[] = [];
    await lanes.each(50, async (_hasher, index) => {
      await Promise.resolve();
      seen.push(index);
    });
    expect(seen.sort((one, other) => one - other)).toEqual(Array.from({ length: 50 }, (_, index) => index));
  });

  it('has nothing to do for an empty image', async () => {
    await expect(lanes.each(0, () => Promise.reject(new Error('visited')))).resolves.toBeUndefined();
  });

  it('names the first of several bad segments, and begins none after it has met one', async () => {
    const begun: number[] = [];
    const bad = lanes.each(1_000, async (_hasher, index) => {
      begun.push(index);
      // The later one fails first.
      await new Promise((resolve) => setTimeout(resolve, index === 0 ? 20 : 1));
      throw new Error(`segment ${index}`);
    });
    await expect(bad).rejects.toThrow('segment 0');
    expect(begun.length).toBeLessThanOrEqual(4);
  });
});
