import type { GuardTools } from './guard-duty';
import { monotonicMs, type GuardState, type GuardWord } from './guard-state';
import { JobDuty } from './job-duty';
import type { ServerStanding } from './server-control';

/** How the end of a job is judged, by what libvirt announces and by what becomes of the server. */
describe('a job that has failed', () => {
  const word = { job: 'begun', jobAskedAtMs: monotonicMs() - 60_000, rateLimited: false } as unknown as GuardWord;

  /** `states`: what the server is at each look; the last one lasts. */
  function watched(states: readonly ServerStanding[]): { readonly duty: JobDuty; readonly state: () => GuardState } {
    const left = [...states];
    let state = { cancelled: null, outcome: null, pause: null, notes: [] } as unknown as GuardState;
    const book = {
      get state() {
        return state;
      },
      change: (change: Partial<GuardState>) => Promise.resolve(void (state = { ...state, ...change })),
      note: () => Promise.resolve(),
      log: () => Promise.resolve(),
    };
    const tools = {
      book,
      control: { standing: () => Promise.resolve(left.length > 1 ? left.shift() : left[0]) },
      job: { present: () => Promise.resolve({ kind: 'none' }) },
      order: { server: { uuid: 'u', name: 'db01' }, disks: [], maxGuestLatencyMs: null, rateLimitBytesPerSecond: null, pausedBefore: false },
    } as unknown as GuardTools;
    return { duty: new JobDuty(tools), state: () => state };
  }

  it('without a word, by a QEMU that takes its time to die: the job is lost, not failed', async () => {
    const { duty, state } = watched(['running', 'running', 'running', 'off']);
    duty.ended({ success: false, errorText: null });
    await duty.look(word, false);
    expect(state().outcome).toMatchObject({ result: 'failed', code: 'BACKUP_JOB_LOST' });
  });

  it("with QEMU's own words is not waited for", async () => {
    const { duty, state } = watched(['running']);
    duty.ended({ success: false, errorText: 'Input/output error' });
    const startedAt = performance.now();
    await duty.look(word, false);
    expect(state().outcome).toMatchObject({ result: 'failed', code: 'BACKUP_JOB_FAILED', message: expect.stringContaining('Input/output error') as string });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});
