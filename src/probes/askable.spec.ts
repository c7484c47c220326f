import type { MarkerSpec, ProbeSpec } from '../contracts/profile';
import { askable } from './askable';

const marker = (probe: ProbeSpec): MarkerSpec => ({ name: 'm', type: 'text', of: 'peer', probe, timeoutSeconds: 5, isCaptured: false });
const sql = (query: string): ProbeSpec => ({ kind: 'sql', engine: 'postgresql', database: 'x', user: 'x', query });

it('is what would be asked', () => {
  expect(askable(marker({ kind: 'tcp', port: '${port}' }), { port: '5432' }).probe).toEqual({ kind: 'tcp', port: '5432' });
  expect(askable(marker({ kind: 'fact', fact: 'clock' }), {}).probe).toEqual({ kind: 'fact', fact: 'clock' });
});

it.each<[string, ProbeSpec, string]>([
  ['a quote in a query', sql("SELECT '${it}'"), "it's"],
  ['an option of the program', { kind: 'command', argv: ['dig', '${it}'] }, '-f/etc/passwd'],
  ['no port', { kind: 'tcp', port: '${it}' }, '70000'],
  ['no port of a database', { ...sql('SELECT 1'), port: '${it}' } as ProbeSpec, 'socket'],
  ['no port of a name server', { kind: 'dns', name: 'x', type: 'SOA', port: '${it}' }, 'domain'],
  ['no name of DNS', { kind: 'dns', name: '${it}', type: 'SOA' }, 'a..b'],
  ['no URL', { kind: 'http', url: '${it}/health' }, 'db02:2379'],
  ['a URL with a password', { kind: 'http', url: '${it}/health' }, 'http://admin:hunter2@db02'],
])('refuses %s without asking anybody', (_what, probe, it) => {
  expect(() => askable(marker(probe), { it })).toThrow(expect.objectContaining({ code: 'PROBE_INVALID' }) as Error);
});

it('says whose value is in the way', () => {
  expect(() => askable(marker(sql("SELECT '${it}', '${other}'")), { it: 'good', other: 'a;b' })).toThrow(
    expect.objectContaining({ context: { parameter: 'other' } }) as Error,
  );
});
