import { ModosuError } from '../../contracts/errors';
import { Turns } from './turns';

const late = (): ModosuError => new ModosuError('REPOSITORY_UNREACHABLE', 'late');

/** Work that ends when it is told to. */
function hanging(): { readonly work: () => Promise<string>; readonly end: (fails?: boolean) => void; readonly begun: () => number } {
  let begun = 0;
  let end: (fails?: boolean) => void = () => undefined;
  const result = new Promise<string>((resolve, reject) => {
    end = (fails = false) => (fails ? reject(new Error('failed')) : resolve('done'));
  });
  return { work: () => ((begun += 1), result), end, begun: () => begun };
}

describe('turns', () => {
  it('come one after another, also after one that has failed', async () => {
    const turns = new Turns();
    const [first, second] = [hanging(), hanging()];
    const one = turns.take('a', first.work, 60_000, late);
    const others = [turns.take('a', second.work, 60_000, late), turns.take('a', second.work, 60_000, late)];
    first.end(true);
    await expect(one).rejects.toThrow('failed');
    second.end();
    await expect(Promise.all(others)).resolves.toEqual(['done', 'done']);
    expect([first.begun(), second.begun()]).toEqual([1, 2]);
  });

  it('are not waited for longer than was said, and nothing is begun meanwhile', async () => {
    const turns = new Turns();
    const [first, second] = [hanging(), hanging()];
    await expect(turns.take('a', first.work, 10, late)).rejects.toThrow('late');
    for (let at = 0; at < 5; at += 1) await expect(turns.take('a', second.work, 10, late)).rejects.toThrow('late');
    expect([first.begun(), second.begun()]).toEqual([1, 0]);
    first.end();
    second.end();
    await expect(turns.take('a', second.work, 60_000, late)).resolves.toBe('done');
    expect(second.begun()).toBe(1);
  });

  it('of one thing do not hold up those of another', async () => {
    const turns = new Turns();
    const [first, second] = [hanging(), hanging()];
    const one = turns.take('a', first.work, 60_000, late);
    second.end();
    await expect(turns.take('b', second.work, 60_000, late)).resolves.toBe('done');
    first.end();
    await expect(one).resolves.toBe('done');
  });
});
