import type { Catalog } from '../../src/catalog/catalog';
import type { StepState } from '../../src/contracts/run';
import type { CatalogUnderTest } from './catalog.contract';
import { actions, applyingAgain, backupRequest, codeOf, givenServer, refusal, succeeded, swappedRestore } from './catalog.fixtures';

const goLiveStep = (catalog: Catalog, runId: string, state: StepState): Promise<void> =>
  catalog.recordStep(runId, { seq: 9, key: 'go-live', title: 'Go live', state });
const decision = (runId: string, actor = 'bob') => ({ actor, runId, kind: 'go-live', reason: 'looks good' }) as const;

export function decisionContract(subject: () => CatalogUnderTest): void {
  describe('a decision', () => {
    it('is asked for while the step waits, and only then', async () => {
      const { catalog } = subject();
      const runId = await swappedRestore(catalog, await givenServer(catalog));
      const waitingAfter = async (state: StepState): Promise<string | null> => {
        await goLiveStep(catalog, runId, state);
        return (await catalog.getRun(runId)).waitingFor;
      };
      expect(await waitingAfter('pending')).toBeNull();
      expect(await codeOf(catalog.decide(decision(runId)))).toBe('RUN_NOT_WAITING');
      expect(await waitingAfter('waiting')).toBe('go-live');
      await catalog.recordStep(runId, { seq: 3, key: 'copy:vda', title: 'Copy', state: 'waiting' });
      await catalog.recordStep(runId, { seq: 3, key: 'copy:vda', title: 'Copy', state: 'running' });
      expect((await catalog.getRun(runId)).waitingFor).toBe('go-live');
      expect(await waitingAfter('running')).toBeNull();
      expect(await waitingAfter('waiting')).toBe('go-live');
      expect((await catalog.listRuns({ kind: 'restore-server' }, { limit: 1, cursor: null })).items[0]?.waitingFor).toBe('go-live');
      expect(await waitingAfter('succeeded')).toBeNull();
    });

    it('is written down once, with who and why', async () => {
      const { catalog, advance } = subject();
      const runId = await swappedRestore(catalog, await givenServer(catalog));
      await goLiveStep(catalog, runId, 'waiting');
      expect(await catalog.getDecision(runId, 'go-live')).toBeNull();
      expect(await catalog.listDecidedButWaiting()).toEqual([]);
      await catalog.decide({ ...decision(runId), reason: 'looks\u0000 good' });
      advance(1000);
      await catalog.decide({ ...decision(runId, 'carol'), reason: 'me too' });
      expect(await catalog.getDecision(runId, 'go-live')).toEqual({ actor: 'bob', reason: 'looks good', at: '2026-03-01T00:00:00.000Z' });
      const { serverId } = await catalog.getRun(runId);
      expect(await catalog.listDecidedButWaiting()).toEqual([{ runId, serverId }]);
      await goLiveStep(catalog, runId, 'running');
      expect(await catalog.listDecidedButWaiting()).toEqual([]);
      await catalog.decide(decision(runId));
      expect((await actions(catalog, runId)).filter((action) => action.startsWith('run.deci'))).toEqual(['run.decided']);
    });

    it('signs off what the run waits for: before go-live, or after it; said again it stands', async () => {
      const { catalog } = subject();
      const runId = await swappedRestore(catalog, await givenServer(catalog), {}, applyingAgain('chg_1'));
      const signOff = (reason: string, notApplied: readonly string[] = []) => catalog.decide({ actor: 'bob', runId, kind: 'sign-off', reason, notApplied });
      const step = (key: string, state: StepState) => catalog.recordStep(runId, { seq: key === 'sign-off' ? 8 : 10, key, title: 'Sign off', state });
      await step('sign-off', 'waiting');
      await signOff('playbook run', ['chg_1']);
      await step('sign-off', 'succeeded');
      await step('sign-off-live', 'waiting');
      expect(await catalog.getRun(runId)).toMatchObject({ waitingFor: 'sign-off-live', allowedActions: ['sign-off'] });
      expect(await catalog.getDecision(runId, 'sign-off-live')).toBeNull();
      await signOff('standby rebuilt');
      await step('sign-off-live', 'succeeded');
      await signOff('standby rebuilt');
      expect(await catalog.getDecision(runId, 'sign-off')).toMatchObject({ reason: 'playbook run', notApplied: ['chg_1'] });
      // Configuration changes are applied before go-live.
      expect(await catalog.getDecision(runId, 'sign-off-live')).toEqual({ actor: 'bob', reason: 'standby rebuilt', at: '2026-03-01T00:00:00.000Z' });
      expect((await actions(catalog, runId)).filter((action) => action.startsWith('run.deci'))).toEqual(['run.decided', 'run.decided']);
    });

    // What is not named counts as applied again: a typing error would have the wrong change written down as applied.
    it('names no change that the run does not wait for', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const opening = { actor: 'alice', idempotencyKey: null, requestDigest: 'c', ticket: null, author: null, applyAgain: null, externalId: null };
      const { change } = await catalog.openChange({ ...opening, serverId: server.id, title: 'By a program' });
      const byProgram = change.id;
      await catalog.completeChange({ actor: 'alice', id: byProgram });
      const runId = await swappedRestore(catalog, server, {}, applyingAgain('chg_1', byProgram, 'chg_2'));
      await catalog.recordApplied(runId, [byProgram], 'worker');
      await catalog.recordStep(runId, { seq: 8, key: 'sign-off', title: 'Sign off', state: 'waiting' });
      const signOff = (...notApplied: readonly string[]) => catalog.decide({ actor: 'bob', runId, kind: 'sign-off', reason: 'done', notApplied });
      for (const wrong of [['chg_3'], ['chg_1', 'chg_3'], [byProgram]]) {
        const refused = await refusal(signOff(...wrong));
        expect(refused).toMatchObject({ code: 'REQUEST_INVALID', context: { runId } });
        expect(refused.message).toContain(`"${wrong.at(-1) ?? ''}": it waits for "chg_1", "chg_2".`);
      }
      expect(await catalog.getDecision(runId, 'sign-off')).toBeNull();
      await signOff('chg_2');
      // It stands; what is sent once more is not looked at again.
      await signOff('chg_3');
      expect(await catalog.getDecision(runId, 'sign-off')).toMatchObject({ notApplied: ['chg_2'] });
    });

    it.each<[string, Parameters<typeof swappedRestore>[3]]>([
      ['takes no change away', {}],
      ['leaves changes alone', { ...applyingAgain('chg_1'), appliesChanges: false }],
    ])('names no change of a restore that %s', async (_what, changes) => {
      const { catalog } = subject();
      const runId = await swappedRestore(catalog, await givenServer(catalog), {}, changes);
      await catalog.recordStep(runId, { seq: 8, key: 'sign-off', title: 'Sign off', state: 'waiting' });
      const signOff = (notApplied: readonly string[]) => catalog.decide({ actor: 'bob', runId, kind: 'sign-off', reason: 'done', notApplied });
      expect(await refusal(signOff(['chg_1']))).toMatchObject({ code: 'REQUEST_INVALID', message: expect.stringContaining('waits for none') as string });
      await signOff([]);
      expect(await catalog.getDecision(runId, 'sign-off')).toMatchObject({ notApplied: [] });
    });

    it('is one, also when many decide at once', async () => {
      const { catalog } = subject();
      const runId = await swappedRestore(catalog, await givenServer(catalog));
      await goLiveStep(catalog, runId, 'waiting');
      await Promise.all(Array.from({ length: 20 }, (_, index) => catalog.decide(decision(runId, `person ${index}`))));
      expect((await catalog.getDecision(runId, 'go-live'))?.actor).toMatch(/^person \d+$/);
      expect((await actions(catalog, runId)).filter((action) => action === 'run.decided')).toHaveLength(1);
    });

    it('is refused, and the refusal audited, for a run that does not wait or has ended', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const runId = await swappedRestore(catalog, server);
      expect(await refusal(catalog.decide(decision(runId)))).toMatchObject({ code: 'RUN_NOT_WAITING', message: expect.stringContaining('go-live') });
      await goLiveStep(catalog, runId, 'waiting');
      await catalog.finishRun(runId, { state: 'failed', error: null });
      expect((await catalog.getRun(runId)).waitingFor).toBeNull();
      expect(await refusal(catalog.decide(decision(runId)))).toMatchObject({ code: 'RUN_FINISHED', message: expect.stringContaining('failed') });
      const backup = await catalog.acceptBackup(backupRequest(server.id));
      expect(await codeOf(catalog.decide(decision(backup.runId)))).toBe('RUN_NOT_WAITING');
      expect(await catalog.getDecision(runId, 'go-live')).toBeNull();
      const { items } = await catalog.listAudit({}, { limit: 100, cursor: null });
      const refused = items.filter(({ action }) => action === 'run.decision-refused');
      expect(refused.map(({ actor, runId: of, details }) => [actor, of, details['code']])).toEqual([
        ['bob', runId, 'RUN_NOT_WAITING'],
        ['bob', runId, 'RUN_FINISHED'],
        ['bob', backup.runId, 'RUN_NOT_WAITING'],
      ]);
    });

    it('stands after the run: one that has gone live cannot be told so again', async () => {
      const { catalog } = subject();
      const runId = await swappedRestore(catalog, await givenServer(catalog));
      await goLiveStep(catalog, runId, 'waiting');
      await catalog.decide(decision(runId));
      await catalog.finishRun(runId, succeeded);
      expect(await codeOf(catalog.decide(decision(runId)))).toBe('RUN_FINISHED');
      expect(await catalog.getDecision(runId, 'go-live')).toMatchObject({ actor: 'bob' });
      expect(await catalog.listDecidedButWaiting()).toEqual([]);
    });

    it('comes too late for a run that is being cancelled', async () => {
      const { catalog } = subject();
      const runId = await swappedRestore(catalog, await givenServer(catalog));
      await goLiveStep(catalog, runId, 'waiting');
      await catalog.requestCancel('carol', runId, null);
      expect(await refusal(catalog.decide(decision(runId)))).toMatchObject({ code: 'RUN_NOT_WAITING', message: expect.stringContaining('cancelled') });
      expect((await catalog.getRun(runId)).allowedActions).toEqual([]);
    });

    it('of what people do after go-live is a sign-off, one of its own, and no cancel is in its way', async () => {
      const { catalog } = subject();
      const runId = await swappedRestore(catalog, await givenServer(catalog), {}, applyingAgain('chg_01aaaaaaaaaaaaaaaaaaaaaaaa'));
      const signOff = (reason: string, notApplied: readonly string[]) => catalog.decide({ actor: 'bob', runId, kind: 'sign-off', reason, notApplied });
      const step = (key: 'sign-off' | 'sign-off-live', state: StepState) =>
        catalog.recordStep(runId, { seq: key === 'sign-off' ? 7 : 9, key, title: 'Sign off', state });
      await step('sign-off', 'waiting');
      await signOff('before', ['chg_01aaaaaaaaaaaaaaaaaaaaaaaa']);
      await step('sign-off', 'succeeded');
      await catalog.recordGoLive(runId);
      // The same again, as somebody who has had no answer sends it, is not taken for the next one.
      await signOff('before', []);
      expect(await catalog.getDecision(runId, 'sign-off-live')).toBeNull();
      await step('sign-off-live', 'waiting');
      await catalog.requestCancel('carol', runId, null).catch(() => undefined);
      expect(await catalog.getRun(runId)).toMatchObject({ waitingFor: 'sign-off-live', allowedActions: ['sign-off'] });
      expect(await codeOf(signOff('with a change', ['chg_01aaaaaaaaaaaaaaaaaaaaaaaa']))).toBe('REQUEST_INVALID');
      // As the command line sends it: with no change at all.
      await signOff('after', []);
      expect(await catalog.getDecision(runId, 'sign-off-live')).toEqual({ actor: 'bob', reason: 'after', at: '2026-03-01T00:00:00.000Z' });
      expect(await catalog.getDecision(runId, 'sign-off')).toMatchObject({ reason: 'before', notApplied: ['chg_01aaaaaaaaaaaaaaaaaaaaaaaa'] });
      expect((await catalog.listDecidedButWaiting()).map((waiting) => waiting.runId)).toEqual([runId]);
      const { items } = await catalog.listAudit({}, { limit: 100, cursor: null });
      expect(items.filter(({ action }) => action === 'run.decided').map(({ details }) => details['kind'])).toEqual(['sign-off', 'sign-off-live']);
    });
  });
}
