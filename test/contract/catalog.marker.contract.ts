import type { MarkerReading } from '../../src/contracts/profile';
import { notReadValue, readValue, sideOf } from '../support/made-up-relations';
import type { CatalogUnderTest } from './catalog.contract';
import { givenServer, manifestOf } from './catalog.fixtures';

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
