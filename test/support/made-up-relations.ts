import type { Finding } from '../../src/contracts/plan';
import type { MarkerReading, MarkerSpec, Profile, Rule } from '../../src/contracts/profile';
import type { PlannedRelation, RelationSide, SideReadings } from '../../src/contracts/reading';
import type { Relation } from '../../src/contracts/relation';

/** Relations of db01 with db02 and others, by a profile that is no software's: positions are compared, and a step rebuilds the peer. */

export const READ_AT = '2026-03-10T12:00:00.000Z';

export const madeUpMarker = (name: string, more: Partial<MarkerSpec> = {}): MarkerSpec => ({
  name,
  type: 'counter',
  of: 'each',
  probe: { kind: 'command', argv: ['/usr/bin/ask', name] },
  timeoutSeconds: 5,
  isCaptured: false,
  ...more,
});

export const madeUpRule = (code: string, more: Partial<Rule> = {}): Rule => ({
  code,
  phases: ['plan'],
  when: [
    {
      compare: { marker: 'position', of: 'peer', at: 'now' },
      with: { marker: 'position', of: 'server', at: 'recovery-point' },
      is: ['ahead'],
    },
  ],
  severity: 'block',
  message: '"${peer}" is past the recovery point of "${server}".',
  remedy: 'Look at ${peer}.',
  step: null,
  ...more,
});

export const REBUILD = madeUpRule('REBUILD', {
  severity: 'step',
  step: { title: 'Rebuild ${peer} from ${server}', argv: ['/usr/bin/rebuild', '${peer}'], on: 'peer', when: 'live', reseeds: true },
});

const DEFAULT_RULES: readonly Rule[] = [
  madeUpRule('PEER_AHEAD', { message: '"${peer}" is past the recovery point of "${server}": ${peer.words.now}' }),
  madeUpRule('NOT_TOGETHER', {
    phases: ['quarantine', 'live'],
    when: [{ compare: { marker: 'position', of: 'peer', at: 'now' }, with: { marker: 'position', of: 'server', at: 'now' }, is: ['ahead'] }],
    message: '"${peer}" is past "${server}".',
  }),
];

export const madeUpProfile = (rules: readonly Rule[] = DEFAULT_RULES, more: Partial<Profile> = {}): Profile => ({
  format: 'modosu-profile',
  version: 1,
  name: 'made-up',
  title: 'Made up',
  status: 'proven',
  description: 'For tests.',
  parameters: [
    { name: 'database', description: 'Its name.', default: 'shop' },
    { name: 'zone', description: 'Its name.', default: null },
  ],
  markers: [
    madeUpMarker('position', { isCaptured: true, probe: { kind: 'command', argv: ['/usr/bin/position', '${database}'] } }),
    madeUpMarker('words', { type: 'text', of: 'peer' }),
    madeUpMarker('identity', { type: 'text', of: 'server', isCaptured: true, probe: { kind: 'fact', fact: 'generation-id' } }),
    madeUpMarker('taken', { type: 'timestamp', of: 'server', isCaptured: true, probe: { kind: 'fact', fact: 'point-in-time' } }),
  ],
  rules,
  ...more,
});

export const madeUpRelation = (more: Partial<Relation> = {}): Relation => ({
  name: 'standby',
  type: 'replicates-with',
  server: 'db01',
  address: null,
  peers: [{ server: 'db02', address: null }],
  strength: 'hard',
  profile: 'made-up',
  parameters: {},
  ...more,
});

/** As a plan has it. */
export const PLANNED_RELATION: PlannedRelation = {
  name: 'standby',
  type: 'replicates-with',
  serverAddress: null,
  peer: 'db02',
  address: null,
  profile: 'made-up',
  profileSha256: 'a'.repeat(64),
  phases: ['plan', 'quarantine', 'live'],
  parameters: {},
};

export const readValue = (value: string, raw = value): MarkerReading => ({ state: 'read', value, raw, at: READ_AT });
export const notReadValue = (code = 'AGENT_SILENT', message = 'The agent does not answer.'): MarkerReading => ({ state: 'failed', code, message, at: READ_AT });

/** What was read of the peer of `standby`, or of another side. */
export const sideOf = (readings: Readonly<Record<string, MarkerReading>>, more: Partial<RelationSide> = {}): SideReadings => ({
  relation: 'standby',
  peer: 'db02',
  of: 'peer',
  ...more,
  readings,
});

export const findingAbout = (code: string, severity: Finding['severity'], more: Partial<Finding> = {}): Finding => ({
  code,
  severity,
  message: `${code} is so.`,
  evidence: [],
  relation: { name: 'standby', peer: 'db02', profile: 'made-up' },
  ...more,
});
