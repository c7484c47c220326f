import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseProfileFile } from '../contracts/api/profile-file';
import type { Profile } from '../contracts/profile';
import { ruleFaults } from '../domain/consistency/relation-faults';
import { judged } from '../../test/support/judged-profile';

/** Profiles that docs/PROFILES.md shows and nobody has tried: that they can be loaded, and judge readings as it says. */
const DIRECTORY = join(__dirname, '../../docs/profiles');
const documented = (name: string): Profile => parseProfileFile(`${name}.yaml`, readFileSync(join(DIRECTORY, `${name}.yaml`)));

it('are experimental, and none has the name of a shipped one', () => {
  const [names, shipped] = [DIRECTORY, join(__dirname, '../../profiles')].map((directory) => readdirSync(directory));
  expect(names).toEqual(['certificate.yaml', 'mysql-gtid.yaml']);
  for (const name of names ?? []) {
    expect(documented(name.replace('.yaml', '')).status).toBe('experimental');
    expect(shipped).not.toContain(name);
  }
});

describe('mysql-gtid', () => {
  const PROFILE = documented('mysql-gtid');
  const [MINE, OTHER] = ['3e11fa47-71ca-11e1-9e33-c80aa9429562', '4f22fa47-71ca-11e1-9e33-c80aa9429562'];
  const OF_SERVER = { parameters: { source: 'srv01' } };
  const OF_PEER = { parameters: { source: 'srv02' } };

  describe('a source that goes back', () => {
    const plan = (peer: string, more: Readonly<Record<string, string>> = {}) =>
      judged(
        PROFILE,
        'plan',
        {
          'server.server-uuid.recovery-point': MINE,
          'server.gtid-executed.recovery-point': `${OTHER}:1-9,\n${MINE}:1-100`,
          'server.gtid-purged.recovery-point': '',
          'peer.gtid-executed.now': peer,
          ...more,
        },
        OF_SERVER,
      );

    it('is blocked when its replica has transactions of it that it loses, and has the replica stopped and rebuilt', () => {
      const { verdicts, steps } = plan(`${OTHER}:1-9,\n${MINE}:1-101`);
      expect(verdicts).toEqual(['block REPLICA_AHEAD', 'step REPLICA_TO_STOP', 'step REPLICA_TO_REBUILD']);
      expect(steps).toMatchObject([
        { on: 'peer', when: 'quarantine' },
        { on: 'peer', when: 'live' },
      ]);
      expect(plan(`${MINE}:1-50:101`).verdicts).toContain('block REPLICA_AHEAD');
    });

    it('is not when the replica has as much of it or less, whatever it has of others', () => {
      expect(plan(`${OTHER}:1-20,${MINE}:1-100`).verdicts).toEqual(['ok RELATION_AGREES']);
      expect(plan(`${MINE}:1-80`).verdicts).toEqual(['ok RELATION_AGREES']);
    });

    it('cannot be followed where its binary log does not reach back', () => {
      expect(plan(`${MINE}:1-80`, { 'server.gtid-purged.recovery-point': `${MINE}:1-90` }).verdicts).toEqual(['step REPLICA_BEFORE_BINARY_LOG']);
    });

    it('is not called well without GTIDs, nor with tagged ones', () => {
      expect(plan('', { 'server.gtid-executed.recovery-point': '' }).verdicts).toEqual(['unknown MARKERS_INCOMPARABLE']);
      expect(plan(`${MINE}:1-100:tag:1`).verdicts).toEqual(['unknown PEER_UNKNOWN']);
    });

    it('does not go live before a replica that has got ahead since the plan', () => {
      const quarantine = (peer: string) =>
        judged(
          PROFILE,
          'quarantine',
          { 'server.server-uuid.recovery-point': MINE, 'server.gtid-executed.recovery-point': `${MINE}:1-100`, 'peer.gtid-executed.now': peer },
          OF_SERVER,
        ).verdicts;
      expect(quarantine(`${MINE}:1-101`)).toEqual(['block REPLICA_AHEAD']);
      expect(quarantine(`${MINE}:1-100`)).toEqual(['ok RELATION_AGREES']);
    });

    it('works with a replica that was rebuilt and follows', () => {
      const live = (peer: string, isReplicating: string) =>
        judged(
          PROFILE,
          'live',
          {
            'server.server-uuid.recovery-point': MINE,
            'server.gtid-executed.now': `${MINE}:1-110`,
            'peer.gtid-executed.now': peer,
            'peer.is-replicating.now': isReplicating,
          },
          OF_SERVER,
        ).verdicts;
      expect(live(`${MINE}:1-110`, '1')).toEqual(['ok RELATION_AGREES']);
      expect(live(`${MINE}:1-120`, '0')).toEqual(['block REPLICA_STILL_AHEAD', 'block PEER_NOT_REPLICATING']);
    });
  });

  it('has a restored replica rebuilt that cannot catch up, or has what its source lost', () => {
    const plan = (purged: string, executed: string) =>
      judged(
        PROFILE,
        'plan',
        {
          'server.gtid-executed.recovery-point': `${OTHER}:1-100`,
          'peer.server-uuid.now': OTHER,
          'peer.gtid-purged.now': purged,
          'peer.gtid-executed.now': executed,
        },
        OF_PEER,
      ).verdicts;
    expect(plan(`${OTHER}:1-90`, `${OTHER}:1-200`)).toEqual(['ok RELATION_AGREES']);
    expect(plan(`${OTHER}:1-101`, `${OTHER}:1-200`)).toEqual(['step RESTORED_REPLICA_BEFORE_BINARY_LOG']);
    expect(plan('', `${OTHER}:1-60`)).toEqual(['step RESTORED_REPLICA_AHEAD']);
  });

  it('refuses a source that is none of the two when it is declared', () => {
    const faults = (source: string) => ruleFaults(PROFILE, { source }, { server: 'srv01', peer: 'srv02' }).map(({ parameter }) => parameter);
    expect(faults('srv03')).toEqual(['source']);
    expect(faults('srv01')).toEqual([]);
  });
});

describe('certificate', () => {
  const PROFILE = documented('certificate');
  const [OLD, NEW] = ['06:48:2D', '99:51:AA'];
  const plan = (until: string, peer: readonly [until: string, fingerprint: string]) =>
    judged(PROFILE, 'plan', {
      'server.not-after.recovery-point': until,
      'server.fingerprint.recovery-point': OLD,
      'peer.not-after.now': peer[0],
      'peer.fingerprint.now': peer[1],
    });

  it('asks for the valid one where that of the recovery point has expired, and not a second before', () => {
    expect(plan('2026-03-10 12:00:00Z', ['2026-03-10 12:00:00Z', OLD]).verdicts).toEqual(['step CERTIFICATE_EXPIRED']);
    expect(plan('2026-03-10 12:00:01Z', ['2026-03-10 12:00:01Z', OLD]).verdicts).toEqual(['ok RELATION_AGREES']);
  });

  it('asks for that of the peer where it was renewed, and not for an older one', () => {
    const { verdicts, steps } = plan('2026-04-01 00:00:00Z', ['2027-04-01 00:00:00Z', NEW]);
    expect(verdicts).toEqual(['step CERTIFICATE_RENEWED']);
    expect(steps).toMatchObject([{ on: 'server', when: 'quarantine', argv: null }]);
    expect(plan('2026-04-01 00:00:00Z', ['2026-03-20 00:00:00Z', NEW]).verdicts).toEqual(['ok RELATION_AGREES']);
  });

  it('keeps a server from going live with an expired one, and says where the two differ afterwards', () => {
    expect(judged(PROFILE, 'quarantine', { 'server.not-after.now': '2026-03-01 00:00:00Z' }).verdicts).toEqual(['block CERTIFICATE_STILL_EXPIRED']);
    const live = { 'server.not-after.now': '2026-04-01 00:00:00Z', 'server.fingerprint.now': OLD, 'peer.not-after.now': '2027-04-01 00:00:00Z' };
    expect(judged(PROFILE, 'live', { ...live, 'peer.fingerprint.now': NEW }).verdicts).toEqual(['warn CERTIFICATES_DIFFER']);
    expect(judged(PROFILE, 'live', { ...live, 'peer.fingerprint.now': OLD }).verdicts).toEqual(['ok RELATION_AGREES']);
  });
});
