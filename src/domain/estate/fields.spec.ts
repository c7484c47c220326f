import type { Policy } from '../../contracts/policy';
import { NO_PROTECTION, type Protection } from '../../contracts/protection';
import type { Relation } from '../../contracts/relation';
import { changedLines, createdLines, groupFields, placeFields, policyField, policyFields, protectionFields, relationFields, type Field } from './fields';

const declared: Protection = {
  disks: [{ target: 'vdb', role: 'data' }],
  nics: [{ mac: '52:54:00:00:00:01', role: 'backup' }],
  healthChecks: [{ kind: 'command', name: 'shop', timeoutSeconds: 60, argv: ['/bin/true', 'x'.repeat(4000)] }],
  quiesce: { before: null, after: ['/bin/true'] },
  onlineBackup: { rateLimitBytesPerSecond: null, maxGuestLatencyMs: 200 },
  dataSets: [{ kind: 'files', name: 'uploads', paths: ['/srv/uploads'], excludes: [], before: null, after: null }],
  ssh: { host: '192.0.2.10', port: 22, user: 'modosu', sudo: true, hostKey: `ssh-ed25519 ${'A'.repeat(68)}` },
};

describe('the fields of a declaration', () => {
  it('show of a new server only what is declared', () => {
    expect(createdLines([...placeFields({ repository: 'main', stopTimeoutSeconds: 120 }), ...protectionFields(NO_PROTECTION)])).toEqual([
      'repository: main',
      'stopTimeoutSeconds: 120',
    ]);
    expect(createdLines(protectionFields(declared))).toEqual([
      'disks: vdb data',
      'nics: 52:54:00:00:00:01 backup',
      'healthChecks: shop',
      'quiesce: {"after":["/bin/true"]}',
      'onlineBackup: {"maxGuestLatencyMs":200}',
      'dataSets: uploads (files)',
      'ssh: modosu@192.0.2.10:22 with sudo, host key …AAAAAAAAAAAA',
    ]);
  });

  it('are the same whatever the order in which a database gives their properties back', () => {
    const [check] = declared.healthChecks;
    const reordered = {
      ...declared,
      healthChecks: [Object.fromEntries(Object.entries(check ?? {}).reverse()) as unknown as typeof check & object],
      quiesce: { after: declared.quiesce.after, before: null },
    };
    expect(changedLines(protectionFields(declared), protectionFields(reordered))).toEqual([]);
  });

  it('say that something changed also where the short form is the same', () => {
    const changed = { ...declared, healthChecks: declared.healthChecks.map((check) => ({ ...check, timeoutSeconds: 61 })), nics: [], disks: [] };
    expect(changedLines(protectionFields(declared), protectionFields(changed))).toEqual([
      'disks: vdb data -> none',
      'nics: 52:54:00:00:00:01 backup -> none',
      'healthChecks: shop -> shop (changed)',
    ]);
  });

  it('stay on one short line', () => {
    const nics = Array.from({ length: 32 }, (_, index) => ({ mac: `52:54:00:00:01:${index.toString(16).padStart(2, '0')}`, role: 'production' as const }));
    const [line] = createdLines(protectionFields({ ...declared, disks: [], nics }));
    expect(Buffer.byteLength(line ?? '')).toBeLessThan(200);
    expect(line).toMatch(/\(cut\)$/);
  });
});

const RETENTION = { last: 3, hourly: 0, daily: 0, weekly: 4, monthly: 0, yearly: 0, withinDays: 7 };

const bareProtection: Protection = { ...NO_PROTECTION, configurationPaths: [], credentials: [] };
const fullProtection: Protection = {
  ...declared,
  disks: [...declared.disks, { target: 'vdc', role: 'system' }],
  nics: [...declared.nics, { mac: '52:54:00:00:00:02', role: 'production' }],
  healthChecks: [...declared.healthChecks, { kind: 'tcp', name: 'web', timeoutSeconds: 60, host: '192.0.2.10', port: 443 }],
  dataSets: [...declared.dataSets, { kind: 'files', name: 'mail', paths: ['/srv/mail'], excludes: [], before: null, after: null }],
  configurationPaths: ['/etc/fstab', '/etc/nginx'],
  credentials: [
    { account: 'root', store: 'vault', path: 'shop/root', field: 'password', reapply: true },
    { account: 'app', store: 'files', path: 'shop/app', reapply: false },
  ],
};

const barePolicy: Policy = { name: 'p', timeZone: 'UTC', image: null, data: null, verification: null, offsite: null, rtoMinutes: null };
const fullPolicy: Policy = {
  name: 'p',
  timeZone: 'Europe/Berlin',
  image: {
    schedule: { every: 'week', on: ['sunday'], at: '01:00' },
    jitterMinutes: 30,
    rpoHours: 170,
    retention: RETENTION,
    mode: 'online',
    allowCrashConsistent: true,
    maxIncrements: 6,
  },
  data: { schedule: { every: 'day', at: '02:00' }, jitterMinutes: 15, rpoHours: 26, retention: RETENTION },
  verification: { withinHours: 24, everyDays: 30, boot: { every: 'day', at: '03:30' } },
  offsite: { repository: 'vault', withinHours: 26, image: true, data: true, retention: RETENTION },
  rtoMinutes: 45,
};
const plainPolicy: Policy = {
  ...barePolicy,
  image: {
    schedule: { every: 'day', at: '02:00' },
    jitterMinutes: 0,
    rpoHours: null,
    retention: RETENTION,
    mode: 'offline',
    allowCrashConsistent: false,
    maxIncrements: 13,
  },
  data: { schedule: { cron: '0 3 * * *' }, jitterMinutes: 0, rpoHours: null, retention: RETENTION },
};

const bareRelation: Relation = { name: 'r', type: 'depends-on', server: 'web', address: null, peers: [], strength: 'hard', profile: null, parameters: {} };
const fullRelation: Relation = {
  name: 'r',
  type: 'replicates-with',
  server: 'db1',
  address: '192.0.2.10',
  peers: [
    { server: 'db2', address: '192.0.2.11' },
    { server: 'db3', address: null },
  ],
  strength: 'soft',
  profile: 'postgresql-replication',
  parameters: { user: 'modosu', port: '5432' },
};

const serverFields = (policy: string | null, protection: Protection) => [policyField(policy), ...protectionFields(protection)];
const KEEPS = 'keeps last 3, weekly 4, all within 7 days';

/** A declaration with as little as may be, one with all there is, and each field as it is shown of both. */
const KINDS: readonly (readonly [string, () => readonly [bare: readonly Field[], full: readonly Field[]], readonly (readonly [string, string, string])[]])[] = [
  [
    'a server',
    () => [serverFields(null, bareProtection), serverFields('daily', fullProtection)],
    [
      ['policy', 'none', 'daily'],
      ['disks', 'none', 'vdb data, vdc system'],
      ['nics', 'none', '52:54:00:00:00:01 backup, 52:54:00:00:00:02 production'],
      ['healthChecks', 'none', 'shop, web'],
      ['quiesce', 'none', '{"after":["/bin/true"]}'],
      ['onlineBackup', 'none', '{"maxGuestLatencyMs":200}'],
      ['dataSets', 'none', 'uploads (files), mail (files)'],
      ['configurationPaths', 'none', '/etc/fstab, /etc/nginx'],
      ['credentials', 'none', 'root in vault shop/root#password, set after restores, app in files shop/app'],
      ['ssh', 'none', 'modosu@192.0.2.10:22 with sudo, host key …AAAAAAAAAAAA'],
    ],
  ],
  [
    'a server that is reached as root',
    () => [
      protectionFields(NO_PROTECTION),
      protectionFields({ ...NO_PROTECTION, ssh: { host: 'db', port: 22, user: 'root', sudo: false, hostKey: 'ssh-ed25519 ABCDEFGHIJKLMN' } }),
    ],
    [
      ...['disks', 'nics', 'healthChecks', 'quiesce', 'onlineBackup', 'dataSets', 'configurationPaths', 'credentials'].map(
        (label) => [label, 'none', 'none'] as const,
      ),
      ['ssh', 'none', 'root@db:22, host key …CDEFGHIJKLMN'],
    ],
  ],
  [
    'a policy',
    () => [policyFields(barePolicy), policyFields(fullPolicy)],
    [
      ['timeZone', 'UTC', 'Europe/Berlin'],
      ['image', 'none', `every sunday at 01:00 within 30 min, online, also crash consistent, up to 6 incrementals, ${KEEPS}`],
      ['data', 'none', `every day at 02:00 within 15 min, ${KEEPS}`],
      ['imageRpoHours', 'none', '170'],
      ['dataRpoHours', 'none', '26'],
      ['verification', 'none', 'within 24 h, every 30 days, booted every day at 03:30'],
      ['offsite', 'none', `images and data to vault within 26 h, ${KEEPS}`],
      ['rtoMinutes', 'none', '45'],
    ],
  ],
  [
    'a policy for stopped servers, which promises nothing',
    () => [policyFields(barePolicy), policyFields(plainPolicy)],
    [
      ['timeZone', 'UTC', 'UTC'],
      ['image', 'none', `every day at 02:00, offline, ${KEEPS}`],
      ['data', 'none', `cron 0 3 * * *, ${KEEPS}`],
      ...['imageRpoHours', 'dataRpoHours', 'verification', 'offsite', 'rtoMinutes'].map((label) => [label, 'none', 'none'] as const),
    ],
  ],
  ['a group', () => [groupFields({ servers: [] }), groupFields({ servers: ['web', 'db'] })], [['servers', 'none', 'web, db']]],
  [
    'a relation',
    () => [relationFields(bareRelation), relationFields(fullRelation)],
    [
      ['type', 'depends-on', 'replicates-with'],
      ['server', 'web', 'db1 at 192.0.2.10'],
      ['strength', 'hard', 'soft'],
      ['peers', 'none', 'db2 at 192.0.2.11, db3'],
      ['profile', 'none', 'postgresql-replication'],
      ['parameters', 'none', '{"port":"5432","user":"modosu"}'],
    ],
  ],
  [
    'an off-site repository',
    () => [placeFields({ location: '/mnt/vault', media: 'fixed' }), placeFields({ location: 's3:vault', media: 'removable' })],
    [
      ['location', '/mnt/vault', 's3:vault'],
      ['media', 'fixed', 'removable'],
    ],
  ],
];

describe.each(KINDS)('the fields of %s', (_kind, bareAndFull, rows) => {
  const isThere = (text: string) => text !== 'none';

  it('are shown of a new one where they are declared', () => {
    const [bare, full] = bareAndFull();
    expect(createdLines(full)).toEqual(rows.filter(([, , text]) => isThere(text)).map(([label, , text]) => `${label}: ${text}`));
    expect(createdLines(bare)).toEqual(rows.filter(([, text]) => isThere(text)).map(([label, text]) => `${label}: ${text}`));
  });

  it('are shown as they were and as they will be where they differ, in both directions', () => {
    const [bare, full] = bareAndFull();
    const different = rows.filter(([, was, is]) => was !== is);
    expect(changedLines(bare, full)).toEqual(different.map(([label, was, is]) => `${label}: ${was} -> ${is}`));
    expect(changedLines(full, bare)).toEqual(different.map(([label, was, is]) => `${label}: ${is} -> ${was}`));
    expect(changedLines(full, full)).toEqual([]);
  });
});
