import { together } from './together';

const soon = <T>(ms: number, work: () => T): Promise<T> =>
  new Promise((resolve, reject) =>
    setTimeout(() => {
      try {
        resolve(work());
      } catch (error) {
        reject(error);
      }
    }, ms),
  );

describe('together', () => {
  it('gives what each has given', async () => {
    expect(
      await together(
        soon(5, () => 1),
        Promise.resolve('two'),
      ),
    ).toEqual([1, 'two']);
  });

  it('throws the first failure in the order given, when all have ended', async () => {
    const ended: string[] = [];
    const fails = (name: string, ms: number) =>
      soon(ms, () => {
        ended.push(name);
        throw new Error(name);
      });
    await expect(together(fails('slow', 20), fails('quick', 1))).rejects.toThrow('slow');
    expect(ended).toEqual(['quick', 'slow']);
  });
});
