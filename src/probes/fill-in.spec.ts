import type { MarkerSpec, ProbeSpec } from '../contracts/profile';
import { fillIn } from './fill-in';

const VALUES = {
  peer: 'db02',
  address: '2001:db8::2',
  host: 'db02.example',
  port: '5433',
  slot: "it's",
  option: '-f/etc/passwd',
  nested: '${peer}',
  odd: 'a/b ~?#%',
};
const marker = (probe: ProbeSpec): MarkerSpec => ({ name: 'm', type: 'text', of: 'peer', probe, timeoutSeconds: 5, isCaptured: true });
const filled = (probe: ProbeSpec, values: Readonly<Record<string, string>> = VALUES): ProbeSpec => fillIn(marker(probe), values).probe;
const refused = (probe: ProbeSpec, words: RegExp, values: Readonly<Record<string, string>> = VALUES): void =>
  expect(() => filled(probe, values)).toThrow(expect.objectContaining({ code: 'PROBE_INVALID', message: expect.stringMatching(words) }));
const command = (...argv: [string, ...string[]]): ProbeSpec => ({ kind: 'command', argv });
const http = (url: string, pointer?: string): ProbeSpec => ({ kind: 'http', url, ...(pointer === undefined ? {} : { pointer }) });
const sql = (query: string, port?: string): ProbeSpec => ({
  kind: 'sql',
  engine: 'postgresql',
  database: '${peer}',
  user: '${host}',
  query,
  ...(port === undefined ? {} : { port }),
});

describe('parameters of a probe', () => {
  it('stand in every text that is declared, and nothing else changes', () => {
    const spec = marker(command('etcdctl', '--endpoints=${address}:${port}', 'get ${peer}'));
    expect(fillIn(spec, VALUES)).toEqual({ ...spec, probe: command('etcdctl', '--endpoints=2001:db8::2:5433', 'get db02') });
    expect(filled({ kind: 'command', argv: ['${peer}'], user: '${host}' })).toEqual({ kind: 'command', argv: ['db02'], user: 'db02.example' });
    expect(filled({ kind: 'command', argv: ['x'], prefix: '${peer}: ' })).toEqual({ kind: 'command', argv: ['x'], prefix: 'db02: ' });
    expect(filled({ kind: 'tcp', port: '${port}' })).toEqual({ kind: 'tcp', port: '5433' });
    expect(filled({ kind: 'dns', name: 'x.${host}', type: 'SOA', field: 'serial', port: '${port}' })).toEqual({
      kind: 'dns',
      name: 'x.db02.example',
      type: 'SOA',
      field: 'serial',
      port: '5433',
    });
    expect(filled(sql("SELECT '${peer}'"))).toEqual({ kind: 'sql', engine: 'postgresql', database: 'db02', user: 'db02.example', query: "SELECT 'db02'" });
    expect(filled(sql('SELECT 1', '${port}'))).toMatchObject({ port: '5433' });
    expect(filled({ kind: 'fact', fact: 'clock' })).toEqual({ kind: 'fact', fact: 'clock' });
    expect(spec.probe).toEqual(command('etcdctl', '--endpoints=${address}:${port}', 'get ${peer}'));
  });

  it('are never looked into, and never become two arguments', () => {
    expect(filled(command('echo', '${nested}', '${slot}${odd}'))).toEqual(command('echo', '${peer}', "it'sa/b ~?#%"));
  });

  it('leave a dollar sign without a brace', () => {
    expect(filled(command('awk', '{print $1}$', '$${peer}'))).toEqual(command('awk', '{print $1}$', '$db02'));
  });

  it.each(['${unknown}', '${constructor}', '${}', '${peer', '${ peer}', '${1}', '${a b}', 'x${${peer}}'])('are refused as %s', (text) => {
    refused(command('echo', text), /no such parameter|no name/);
  });

  it('are refused where they would be an option, or have lines', () => {
    refused(command('dig', '${option}'), /would be an option/);
    expect(filled(command('dig', 'x${option}'))).toEqual(command('dig', 'x-f/etc/passwd'));
    refused(command('echo', '${lines}'), /not one line/, { lines: 'a\nb' });
    refused(command('echo', '${zero}'), /not one line/, { zero: 'a\0b' });
  });

  it.each(["'", '"', '\\', ';', '`', '$', '(', '*', 'a--b', '#', '|', '\u2019', '='])('are refused in a query with %s', (value) => {
    refused(sql("SELECT '${it}'"), /cannot stand in a query/, { ...VALUES, it: value });
  });

  it('may be names and addresses in a query', () => {
    expect(filled(sql("SELECT '${it}'"), { ...VALUES, it: '注文 a-b_c.d:e,f@g/h+1' })).toMatchObject({ query: "SELECT '注文 a-b_c.d:e,f@g/h+1'" });
  });

  it('stay in their place of a URL', () => {
    expect(filled(http('http://${address}:${port}/${odd}?q=${address}'))).toMatchObject({
      url: 'http://[2001:db8::2]:5433/a%2Fb%20~%3F%23%25?q=2001%3Adb8%3A%3A2',
    });
    expect(filled(http('http://${place}/x'), { place: 'db02:80' })).toMatchObject({ url: 'http://db02:80/x' });
    expect(filled(http('http://${place}/x'), { place: 'good@evil/' })).toMatchObject({ url: 'http://good%40evil%2F/x' });
    expect(filled(http('${base}/health'), { base: 'https://db02:2379' })).toMatchObject({ url: 'https://db02:2379/health' });
  });

  it('are one name of a pointer', () => {
    expect(filled(http('http://x/', '/members/${odd}/id'))).toMatchObject({ pointer: '/members/a~1b ~0?#%/id' });
  });
});
