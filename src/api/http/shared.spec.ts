import { Shared } from './shared';

describe('shared work', () => {
  let nowMs = 0;
  let begun = 0;
  let end: { resolve(text: string): void; reject(error: Error): void } | null = null;
  const work = (): Promise<string> => {
    begun += 1;
    return new Promise((resolve, reject) => (end = { resolve, reject }));
  };
  const shared = (): Shared<string> => new Shared(work, 1000, () => nowMs);

  beforeEach(() => {
    nowMs = 0;
    begun = 0;
  });

  it('is done once for all who ask meanwhile, and for a while afterwards', async () => {
    const subject = shared();
    const asked = [subject.now(), subject.now(), subject.now()];
    end?.resolve('a');
    expect(await Promise.all(asked)).toEqual(['a', 'a', 'a']);
    nowMs = 999;
    expect(await subject.now()).toBe('a');
    expect(begun).toBe(1);
    nowMs = 1000;
    const later = subject.now();
    end?.resolve('b');
    expect(await later).toBe('b');
    expect(begun).toBe(2);
  });

  it('that fails is done again by the next who asks', async () => {
    const subject = shared();
    const asked = [subject.now(), subject.now()];
    end?.reject(new Error('away'));
    for (const outcome of await Promise.allSettled(asked)) expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'away' } });
    const again = subject.now();
    end?.resolve('back');
    expect(await again).toBe('back');
    expect(begun).toBe(2);
  });

  it('that never ends is given up after a minute', async () => {
    const subject = shared();
    const first = subject.now();
    const endFirst = end;
    nowMs = 60_000;
    void subject.now().catch(() => undefined);
    expect(begun).toBe(1);
    nowMs = 60_001;
    const anew = subject.now();
    expect(begun).toBe(2);
    end?.resolve('new');
    expect(await anew).toBe('new');
    // What comes late is still an answer for who has waited for it.
    endFirst?.resolve('late');
    expect(await first).toBe('late');
  });
});
