import { STEP_SECONDS } from '../../src/contracts/figures';
import type { CatalogUnderTest } from './catalog.contract';
import {
  backupRequest,
  ESTATE,
  finishedRestore,
  finishedRun,
  givenReadyPlan,
  givenServer,
  manifestOf,
  progressOf,
  restoreRequest,
  succeeded,
  swappedRestore,
} from './catalog.fixtures';

export function figuresContract(subject: () => CatalogUnderTest): void {
  describe('figures', () => {
    it('of a catalogue without anything', async () => {
      const { catalog } = subject();
      expect(await catalog.figures()).toEqual({ runs: [], waiting: 0, steps: [], recoveryPoints: [], recoveries: [], wayBacks: { open: 0, expired: 0 } });
    });

    it('count runs by kind and state, and those that wait for a person', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      for (let index = 0; index < 3; index += 1) await finishedRun(catalog, server);
      const runId = await swappedRestore(catalog, server);
      await catalog.recordStep(runId, { seq: 0, key: 'go-live', title: 'Go live', state: 'waiting' });
      const { runs, waiting } = await catalog.figures();
      expect(runs).toEqual([
        { kind: 'backup-image', state: 'succeeded', count: 3 },
        { kind: 'restore-server', state: 'running', count: 1 },
      ]);
      expect(waiting).toBe(1);
    });

    it('count durations and bytes of steps by their sort, whatever disk they were about; a duration on a bound belongs below it', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      await catalog.startRun(runId);
      const step = async (seq: number, key: string, seconds: number, state: 'succeeded' | 'failed' | 'skipped' = 'succeeded'): Promise<void> => {
        await catalog.recordStep(runId, { seq, key, title: key, state: 'running' });
        if (key.startsWith('copy')) await catalog.recordProgress(runId, key, progressOf({ doneBytes: 1000 }));
        advance(seconds * 1000);
        await catalog.recordStep(runId, {
          seq,
          key,
          title: key,
          state,
          error: state === 'failed' ? { code: 'COPY_FAILED', message: 'm', hint: 'h', context: {} } : null,
        });
      };
      await step(0, 'stop', 5);
      await step(1, 'copy:vda', 700);
      await step(2, 'copy:vdb', 0.5);
      await step(3, 'copy:vdc', 2, 'failed');
      await step(4, 'power', 1, 'skipped');
      await catalog.recordStep(runId, { seq: 5, key: 'publish', title: 'p', state: 'running' });
      // What is taken back had been done all the same.
      await catalog.recordStep(runId, { seq: 1, key: 'copy:vda', title: 'copy:vda', state: 'undone' });
      const within = (...seconds: readonly number[]): readonly number[] => STEP_SECONDS.map((limit) => seconds.filter((taken) => taken <= limit).length);
      expect((await catalog.figures()).steps).toEqual([
        { kind: 'backup-image', step: 'copy', state: 'failed', count: 1, seconds: 2, bytes: 1000, within: within(2) },
        { kind: 'backup-image', step: 'copy', state: 'succeeded', count: 2, seconds: 700.5, bytes: 2000, within: within(700, 0.5) },
        { kind: 'backup-image', step: 'stop', state: 'succeeded', count: 1, seconds: 5, bytes: 0, within: within(5) },
      ]);
    });

    it('show the newest usable recovery point of each server', async () => {
      const { catalog } = subject();
      const db01 = await givenServer(catalog);
      const web01 = await catalog.getServer('web01');
      const [older, newer] = [manifestOf(db01, 1), manifestOf(db01, 2)];
      for (const manifest of [older, newer, manifestOf(web01, 1)]) await catalog.recordRecoveryPoint(manifest, ESTATE.repositories[0]?.name ?? '');
      await catalog.markRecoveryPoint(newer.recoveryPointId, 'damaged', 'a test');
      const { recoveryPoints } = await catalog.figures();
      expect(recoveryPoints).toHaveLength(2);
      expect(recoveryPoints).toContainEqual({
        serverId: db01.id,
        kind: 'image',
        dataSet: null,
        usable: 1,
        damaged: 1,
        expired: 0,
        newestUsable: new Date(older.pointInTime),
      });
      await catalog.markRecoveryPoint(older.recoveryPointId, 'damaged', 'a test');
      expect((await catalog.figures()).recoveryPoints).toContainEqual({
        serverId: db01.id,
        kind: 'image',
        dataSet: null,
        usable: 0,
        damaged: 2,
        expired: 0,
        newestUsable: null,
      });
    });

    it('show what the newest measured restore of a server took and lost', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      for (const outcome of [
        { ...succeeded, recoverySeconds: 90.5, lostSeconds: 60 },
        { ...succeeded, recoverySeconds: 70, lostSeconds: 3600 },
        succeeded,
        { state: 'failed', error: { code: 'COPY_FAILED', message: 'm', hint: 'h', context: {} }, recoverySeconds: 5 } as const,
      ]) {
        const { planId } = await givenReadyPlan(catalog, server);
        const { runId } = await catalog.acceptPlanned(restoreRequest(server.id, planId));
        await catalog.finishRun(runId, outcome);
        advance(1000);
      }
      expect((await catalog.figures()).recoveries).toEqual([{ serverId: server.id, kind: 'restore-server', recoverySeconds: 70, lostSeconds: 3600 }]);
    });

    it('count open ways back, and those whose time is over', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      await finishedRestore(catalog, server);
      expect((await catalog.figures()).wayBacks).toEqual({ open: 1, expired: 0 });
      advance(8 * 86_400_000);
      expect((await catalog.figures()).wayBacks).toEqual({ open: 1, expired: 1 });
    });
  });
}
