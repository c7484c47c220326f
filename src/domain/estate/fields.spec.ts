import { NO_PROTECTION, type Protection } from '../../contracts/protection';
import { changedLines, createdLines, placeFields, protectionFields } from './fields';

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
