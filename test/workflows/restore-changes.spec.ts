import type { LostChange } from '../../src/contracts/change';
import { PLAN, RESTORE } from './cast';
import { failing, openStage, Rehearsal, type Scripted } from './harness';

jest.setTimeout(180_000);
let stage: Awaited<ReturnType<typeof openStage>>;
beforeAll(async () => void (stage = await openStage()));
afterAll(() => stage.close());

const rehearse = (scripted: Scripted = {}) => new Rehearsal(stage, scripted);

describe('restoreServer, with configuration changes to apply again', () => {
  const change = (id: string, applyAgain: LostChange['applyAgain']): LostChange => ({
    id,
    title: `title of ${id}`,
    ticket: null,
    completedAt: '2026-03-01T00:00:00.000Z',
    how: 'missing',
    applyAgain,
  });
  const program = (id: string): LostChange => change(id, { kind: 'command', argv: ['/usr/bin/apply', id], timeoutSeconds: 60 });
  const byHand = change('chg_hand', { kind: 'text', text: 'as in the ticket' });
  const planWith = (changes: readonly LostChange[], more: Partial<typeof PLAN> = {}): typeof PLAN => ({
    ...PLAN,
    lostChanges: { changes, returning: [], isKnown: true, drift: null },
    appliesChanges: true,
    ...more,
  });
  const recorded: unknown[][] = [];
  const scripted = (plan: typeof PLAN, more: Scripted = {}): Scripted => ({
    loadPlan: async () => plan,
    recordApplied: async (_runId, ids, by) => void recorded.push([...ids, by]),
    ...more,
  });
  beforeEach(() => void recorded.splice(0));
  const waitingFor = async (rehearsal: Rehearsal): Promise<void> => {
    const until = Date.now() + 20_000;
    while (rehearsal.stateOf('sign-off') !== 'waiting' && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(rehearsal.stateOf('sign-off')).toBe('waiting');
  };

  it('runs the programs in quarantine, before the health checks, and writes down each that has ended well', async () => {
    const ran: string[] = [];
    const rehearsal = rehearse(
      scripted(planWith([program('chg_a'), program('chg_b')]), {
        applyChange: async (_input, { argv }) => {
          ran.push(argv.join(' '));
          return { isApplied: true, evidence: 'exit code 0' };
        },
      }),
    );
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(ran).toEqual(['/usr/bin/apply chg_a', '/usr/bin/apply chg_b']);
    expect(recorded).toEqual([
      ['chg_a', 'worker'],
      ['chg_b', 'worker'],
    ]);
    expect(rehearsal.calls.indexOf('applyChange')).toBeLessThan(rehearsal.calls.indexOf('goLive'));
    expect(rehearsal.steps.get('apply:chg_a')).toMatchObject({ state: 'succeeded', detail: { applied: true, evidence: 'exit code 0' } });
    expect(rehearsal.steps.has('sign-off')).toBe(false);
  });

  it('waits for people where no program applies one, or a program has failed; what they leave out is not written down', async () => {
    let decided = false;
    const rehearsal = rehearse(
      scripted(planWith([program('chg_a'), program('chg_b'), byHand]), {
        applyChange: async (_input, { argv }) => ({ isApplied: argv.includes('chg_a'), evidence: 'exit code 1: no such package' }),
        readDecision: async (_runId, kind) =>
          decided && kind === 'sign-off' ? { actor: 'kim', reason: 'by hand', at: '2026-03-02T12:10:00.000Z', notApplied: ['chg_b'] } : null,
      }),
    );
    const closed = await rehearsal.play('restoreServer', RESTORE, async (handle) => {
      await waitingFor(rehearsal);
      expect(rehearsal.calls).not.toContain('goLive');
      decided = true;
      await handle.signal('decided');
    });
    expect(closed).toBe('COMPLETED');
    expect(recorded).toEqual([
      ['chg_a', 'worker'],
      ['chg_hand', 'kim'],
    ]);
    expect(rehearsal.steps.get('apply:chg_b')).toMatchObject({ detail: { applied: false, evidence: 'exit code 1: no such package' } });
    expect(rehearsal.steps.get('sign-off')).toMatchObject({ state: 'succeeded', detail: { signedOffBy: 'kim', applied: 1, notApplied: 1 } });
  });

  /** People switch the guest off as they work in it, and sign off. */
  const switchedOff = (more: Scripted = {}): { readonly rehearsal: Rehearsal; readonly isOn: () => boolean } => {
    let isOn = false;
    const rehearsal = rehearse(
      scripted(planWith([byHand]), {
        readDecision: async () => {
          isOn = false;
          return { actor: 'kim', reason: 'by hand', at: '2026-03-02T12:10:00.000Z' };
        },
        start: async () => void (isOn = true),
        checkHealth: async () => (isOn ? { evidence: 'exit code 0' } : failing('HEALTH_CHECK_FAILED')()),
        ...more,
      }),
    );
    return { rehearsal, isOn: () => isOn };
  };

  it('starts a server again that was switched off until it was signed off, and has it answer, before it is checked and goes live', async () => {
    const { rehearsal, isOn } = switchedOff();
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(isOn()).toBe(true);
    const fromStart = rehearsal.calls.slice(rehearsal.calls.indexOf('start'));
    expect(fromStart).toEqual(['start', 'waitForAgent', 'start', 'waitForAgent', 'recordApplied', 'checkHealth', 'recordGoLive', 'goLive', 'releaseFence']);
  });

  it('puts the old server back where the restored one does not answer after the sign-off, and shows it there', async () => {
    let waits = 0;
    const { rehearsal } = switchedOff({ waitForAgent: async () => ((waits += 1) === 1 ? undefined : failing('RUN_FAILED', 'silent')()) });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('FAILED');
    expect(rehearsal.steps.get('sign-off')).toMatchObject({ state: 'failed', error: { message: 'silent' } });
    expect(recorded).toEqual([]);
    expect(rehearsal.calls).toContain('revertSwap');
    expect(rehearsal.calls).not.toContain('recordGoLive');
  });

  it('cancelled while it waits for people, it puts the old server back', async () => {
    const rehearsal = rehearse(scripted(planWith([byHand])));
    const closed = await rehearsal.play('restoreServer', RESTORE, async (handle) => {
      await waitingFor(rehearsal);
      await handle.cancel();
    });
    expect(closed).toBe('CANCELLED');
    expect(recorded).toEqual([]);
    expect(rehearsal.calls).toContain('revertSwap');
  });

  it('leaves them alone where the plan says so, and where no agent could run a program asks people', async () => {
    const left = rehearse(scripted(planWith([program('chg_a')], { appliesChanges: false })));
    expect(await left.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(left.calls).not.toContain('applyChange');

    const noAgent = rehearse(
      scripted(planWith([program('chg_a')], { steps: PLAN.steps.filter(({ key }) => key !== 'agent') }), {
        readDecision: async () => ({ actor: 'kim', reason: 'by hand', at: '2026-03-02T12:10:00.000Z' }),
      }),
    );
    expect(await noAgent.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(noAgent.calls).not.toContain('applyChange');
    expect(noAgent.calls).not.toContain('waitForAgent');
    expect(noAgent.calls.filter((call) => call === 'start')).toHaveLength(2);
    expect(recorded).toEqual([['chg_a', 'kim']]);
  });
});
