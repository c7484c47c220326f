import type { MarkerReading } from '../../src/contracts/profile';
import { notReadValue, readValue, sideOf } from '../support/made-up-relations';
import type { CatalogUnderTest } from './catalog.contract';
import { backupRequest, finishedConfirm, givenReadyPlan, givenServer, manifestOf, succeeded, swappedRestore, swappedUndo } from './catalog.fixtures';

/** A string that PostgreSQL refuses: NUL, and half a surrogate pair. */
const UNSTORABLE = 'a\u0000b\ud800';
const LARGE = 'x'.repeat(64 * 1024);

/** What probes have read, and what of it was stored with recovery points. */
export function markerContract(subject: () => CatalogUnderTest): void {
  describe('readings of markers', () => {
    it('are kept by their occasion, in the order of relation, peer and side', async () => {
      const { catalog } = subject();
      const sides = [
        sideOf({ position: readValue('2') }),
        sideOf({ position: notReadValue() }, { of: 'server' }),
        sideOf({ position: readValue('1') }, { peer: 'db01' }),
        sideOf({ zone: readValue('3') }, { relation: 'dns' }),
      ];
      await catalog.recordReadings('plan_1', sides);
      await catalog.recordReadings('run_1:live', sides.slice(0, 1));
      await catalog.recordReadings('run_1:live', []);
      expect(await catalog.readingsOf('plan_1')).toEqual([sides[3], sides[2], sides[0], sides[1]]);
      expect(await catalog.readingsOf('run_1:live')).toEqual([sides[0]]);
      expect(await catalog.readingsOf('run_1')).toEqual([]);
    });

    it('replace what was read of the same marker on the same occasion; what was said of the others stays', async () => {
      const { catalog } = subject();
      await catalog.recordReadings('plan_1', [sideOf({ zone: notReadValue('PROBE_INVALID') })]);
      await catalog.recordReadings('plan_1', [sideOf({ position: readValue('1') })]);
      await catalog.recordReadings('plan_1', [sideOf({ position: notReadValue() })]);
      expect(await catalog.readingsOf('plan_1')).toEqual([sideOf({ zone: notReadValue('PROBE_INVALID'), position: notReadValue() })]);
    });

    it('of one side are all there when several write at once', async () => {
      const { catalog } = subject();
      const names = Array.from({ length: 10 }, (_, index) => `marker-${index}`);
      await Promise.all(names.map((name) => catalog.recordReadings('plan_1', [sideOf({ [name]: readValue(name) })])));
      expect(Object.keys((await catalog.readingsOf('plan_1'))[0]?.readings ?? {}).sort()).toEqual(names);
    });

    it('are whole, however long: a value that was cut would be another one', async () => {
      const { catalog } = subject();
      const many = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`marker-${index}`, readValue(LARGE, 'as it was printed')]));
      await catalog.recordReadings('plan_1', [sideOf(many)]);
      expect(await catalog.readingsOf('plan_1')).toEqual([sideOf(many)]);
    });

    it('that nobody can store are not read, whatever is in them; what was printed beside a value is cleaned', async () => {
      const { catalog } = subject();
      const hostile: Readonly<Record<string, MarkerReading>> = {
        value: readValue(UNSTORABLE),
        raw: readValue('1', UNSTORABLE),
        long: readValue(`${LARGE}x`),
        failed: notReadValue('AGENT_SILENT', UNSTORABLE),
      };
      await catalog.recordReadings('plan_1', [sideOf(hostile)]);
      expect((await catalog.readingsOf('plan_1'))[0]?.readings).toMatchObject({
        value: { state: 'failed', code: 'MARKER_UNREADABLE' },
        raw: { state: 'read', value: '1', raw: 'ab\ufffd' },
        long: { state: 'failed', code: 'PROBE_OUTPUT_TOO_LARGE' },
        failed: { state: 'failed', code: 'AGENT_SILENT', message: 'ab\ufffd' },
      });
    });

    it('stored with a recovery point are those of its manifest, once', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const markers = [sideOf({ position: readValue('7') }, { of: 'server' }), sideOf({ position: notReadValue() })];
      const manifest = manifestOf(server, 1, { version: 5, changes: { contained: [], partly: [], more: 0 }, facts: null, markers });
      await catalog.recordRecoveryPoint(manifest, 'main');
      await catalog.recordRecoveryPoint({ ...manifest, markers: [] }, 'main');
      expect(await catalog.markersOf(manifest.recoveryPointId)).toEqual(markers);
      expect(await catalog.markersOf('rp_none')).toEqual([]);
      const bare = manifestOf(server, 2);
      await catalog.recordRecoveryPoint(bare, 'main');
      expect(await catalog.markersOf(bare.recoveryPointId)).toEqual([]);
    });

    it('for an image go once it is recorded: they stand with its recovery point', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const markers = [sideOf({ position: readValue('7') }, { of: 'server' })];
      const manifest = manifestOf(server, 1, { version: 5, changes: { contained: [], partly: [], more: 0 }, facts: null, markers });
      const other = manifestOf(server, 2, { markers });
      for (const occasion of [manifest.runId, other.runId, `${manifest.runId}:live`]) await catalog.recordReadings(occasion, markers);
      expect(await catalog.readingsOf(manifest.runId)).toEqual(markers);
      await catalog.recordRecoveryPoint(manifest, 'main');
      expect(await catalog.readingsOf(manifest.runId)).toEqual([]);
      expect(await catalog.markersOf(manifest.recoveryPointId)).toEqual(markers);
      for (const occasion of [other.runId, `${manifest.runId}:live`]) expect(await catalog.readingsOf(occasion)).toEqual(markers);
      // Whoever finds an image in its repository has not taken it: its run may still be about to.
      await catalog.adoptRecoveryPoint('setup', other, 'main', 'a'.repeat(64));
      expect(await catalog.readingsOf(other.runId)).toEqual(markers);
      await catalog.recordRecoveryPoint(other, 'main');
      expect(await catalog.readingsOf(other.runId)).toEqual([]);
    });

    it('are forgotten when nobody can ask for them any more: an undo asks for what was read before the server was replaced', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const side = sideOf({ position: readValue('7') }, { of: 'server' });
      const occasions: string[] = [];
      const given = async (...names: readonly string[]): Promise<void> => {
        for (const name of names) await catalog.recordReadings(name, [side]);
        occasions.push(...names);
      };
      const ofRun = (runId: string): readonly string[] => [runId, `${runId}:recheck`, `${runId}:quarantine`, `${runId}:live`];
      /** What is there afterwards. */
      const forgotten = async (): Promise<readonly string[]> => {
        await catalog.forgetReadings();
        expect(await catalog.forgetReadings()).toBe(0);
        const left: string[] = [];
        for (const occasion of occasions) if ((await catalog.readingsOf(occasion)).length > 0) left.push(occasion);
        return left;
      };
      // Those of the night are read again under the same name, and what nobody knows is left alone.
      const always = [`night:${server.id}`, 'plan_unknown', 'run_unknown:recheck'];
      const planRequest = { actor: 'alice', idempotencyKey: null, requestDigest: 'p', serverId: server.id, scenario: 'server', recoveryPointId: null } as const;
      const { planId: planning } = await catalog.acceptPlan(planRequest);
      const { planId: failed } = await catalog.acceptPlan(planRequest);
      await catalog.failPlan(failed, { code: 'AGENT_ABSENT', message: 'nobody answers', hint: 'look' });
      const { planId: ready } = await givenReadyPlan(catalog, server);
      await given(...always, planning, failed, ready);
      expect(await forgotten()).toEqual([...always, planning]);

      const restore = await swappedRestore(catalog, server);
      await given(...ofRun(restore));
      expect(await forgotten()).toEqual([...always, planning, ...ofRun(restore)]);
      await catalog.recordGoLive(restore);
      await catalog.finishRun(restore, succeeded);
      expect(await forgotten()).toEqual([...always, planning, `${restore}:recheck`]);

      // The undo asks for it once more when the server is back, and the way back is taken by then.
      const undo = await swappedUndo(catalog, server, restore);
      await given(...ofRun(undo));
      expect(await forgotten()).toEqual([...always, planning, `${restore}:recheck`, ...ofRun(undo)]);
      await catalog.finishRun(undo, succeeded);
      expect(await forgotten()).toEqual([...always, planning, `${undo}:recheck`]);
      await finishedConfirm(catalog, server, undo);
      expect(await forgotten()).toEqual([...always, planning]);

      const { runId: backup } = await catalog.acceptBackup(backupRequest(server.id));
      await given(backup);
      expect(await forgotten()).toContain(backup);
      await catalog.finishRun(backup, { state: 'failed', error: null });
      expect(await forgotten()).toEqual([...always, planning]);
    });

    it('come back with a recovery point that is found in its repository; a hostile one keeps nothing from being found', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const markers = [sideOf({ position: readValue(UNSTORABLE), words: readValue('hello') })];
      const manifest = manifestOf(server, 1, { version: 5, changes: { contained: [], partly: [], more: 0 }, facts: null, markers });
      await catalog.adoptRecoveryPoint('setup', manifest, 'main', 'a'.repeat(64));
      const [side] = await catalog.markersOf(manifest.recoveryPointId);
      expect(side?.readings).toMatchObject({ position: { state: 'failed', code: 'MARKER_UNREADABLE' }, words: readValue('hello') });
      expect(await catalog.getRecoveryPoint(manifest.recoveryPointId)).toMatchObject({ state: 'usable' });
    });
  });
}
