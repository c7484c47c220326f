import { isModosuError } from '../errors';
import { MAX_PROFILE_BYTES } from './profile';
import { parseProfileFile } from './profile-file';

const GOOD = `format: modosu-profile
version: 1
name: shared
title: A shared key
status: experimental
description: For two servers with one key.
parameters:
  - { name: path, description: Of the file. }
  - { name: hours, description: So old it may be., default: '24' }
markers:
  - name: key
    type: hash
    of: each
    isCaptured: true
    probe: { kind: command, argv: [/usr/bin/openssl, '\${path}'], prefix: 'SHA2= ' }
  - name: age
    type: timestamp
    of: peer
    probe: { kind: http, url: 'http://\${address}/age', pointer: /at }
  - name: days
    type: counter
    of: server
    probe: { kind: command, argv: [/usr/bin/days] }
rules:
  - code: KEY_DIFFERS
    phases: [plan]
    when:
      - compare: { marker: key, of: server, at: recovery-point }
        with: { marker: key, of: peer, at: now }
        is: [diverged]
      - { value: { marker: key, of: peer, at: now }, differs: '\${path}' }
      - { text: '\${server}', differs: db09 }
      - { age: { marker: age, of: peer, at: now }, atLeast: { marker: { marker: days, of: server, at: now } }, unit: days }
      - { skew: { marker: age, of: peer, at: now }, atLeast: { parameter: hours }, unit: hours }
    severity: step
    message: '\${server} has \${server.key.recovery-point}'
    step: { title: 'Copy \${path} from \${peer}', argv: [/usr/bin/copy, '\${path}'], on: server, when: quarantine }
`;

function errorsOf(text: string, file = '/etc/modosu/profiles/shared.yaml'): readonly string[] {
  try {
    parseProfileFile(file, Buffer.from(text));
  } catch (error) {
    if (!isModosuError(error)) throw error;
    expect(error.code).toBe('PROFILE_INVALID');
    return (error.context['errors'] as readonly string[]).map((line) => line.replace('/etc/modosu/profiles/', ''));
  }
  return [];
}

it('is read, with defaults', () => {
  const profile = parseProfileFile('shared.yaml', Buffer.from(GOOD));
  expect(profile.parameters[0]?.default).toBeNull();
  expect(profile.markers[1]).toMatchObject({ isCaptured: false, timeoutSeconds: 10 });
  expect(profile.rules[0]).toMatchObject({ remedy: null });
});

const swap = (from: string, to: string): string => {
  expect(GOOD).toContain(from);
  return GOOD.replace(from, to);
};
const rule = (condition: string): string => swap("- { text: '${server}', differs: db09 }", `- ${condition}`);
const probe = (type: string, text: string): string => swap('type: counter', `type: ${type}`).replace('{ kind: command, argv: [/usr/bin/days] }', text);

it.each([
  ['a name that is not that of the file', swap('name: shared', 'name: other'), 'shared.yaml:3:7: name: must be "shared", as the file is named'],
  ['an unknown field', swap('version: 1', 'version: 1\ncolour: red'), 'shared.yaml:3:1: colour: this field is not known'],
  ['another version', swap('version: 1', 'version: 2'), /^shared\.yaml:2:10: version: /],
  ['a profile without rules', GOOD.slice(0, GOOD.indexOf('rules:')), /^shared\.yaml:1:1: rules: /],
  ['a parameter that every relation has', swap('name: path', 'name: peer'), /parameters\[0\]\.name: every relation has a "peer" of its own/],
  ['a default that would be filled in', swap("default: '24'", "default: '${path}'"), /parameters\[1\]\.default: nothing is filled into a default/],
  ['a name twice', swap('name: hours', 'name: path'), /parameters: names must be unique/],
  ['a code that is none', swap('KEY_DIFFERS', 'key'), /^shared\.yaml:25:11: rules\[0\]\.code: must be 3 to 50 capital letters/],
  ["a code of Modosu's own", swap('KEY_DIFFERS', 'PEER_UNKNOWN'), /rules\[0\]\.code: PEER_UNKNOWN is a code of Modosu's own/],
  ['a time-out of 61 s', swap('type: hash', 'type: hash\n    timeoutSeconds: 61'), /markers\[0\]\.timeoutSeconds: /],
  ['an unknown probe', probe('counter', '{ kind: ssh }'), /markers\[2\]\.probe\.kind: must be command, sql, dns, http, tcp or fact/],
  ['a serial of another record', probe('serial32', '{ kind: dns, name: a, type: NS, field: serial }'), /probe\.field: only a record of type SOA has a serial/],
  ['a serial that is no serial32', probe('counter', '{ kind: dns, name: a, type: SOA, field: serial }'), /\.type: the serial of a zone is of type serial32/],
  ['a port that is a number', probe('boolean', '{ kind: tcp, port: 53 }'), /probe\.port: /],
  [
    'a port of MySQL',
    probe('text', "{ kind: sql, engine: mysql, database: shop, user: modosu, port: '3307', query: SELECT 1 }"),
    /probe\.port: only a probe of postgresql has a port/,
  ],
  ['a connection that is no boolean', probe('text', "{ kind: tcp, port: '53' }"), /type: whether a connection is accepted is of type boolean/],
  ['a fact of another type', probe('counter', '{ kind: fact, fact: clock }'), /type: the fact "clock" is of type timestamp/],
  ['a point in time that is not captured', probe('timestamp', '{ kind: fact, fact: point-in-time }'), /markers\[2\]\.of: only the recovery point/],
  ['credentials in a URL', probe('text', "{ kind: http, url: 'http://u:p@host/' }"), /probe\.url: must begin with http/],
  ['a URL of another kind', probe('text', "{ kind: http, url: 'file:///etc/passwd' }"), /probe\.url: must begin with http/],
  ['a pointer that is none', swap('pointer: /at', 'pointer: at'), /probe\.pointer: must be a JSON pointer/],
  ['a command of psql', probe('text', "{ kind: sql, engine: postgresql, database: a, user: b, query: '\\! id' }"), /probe\.query: must be a query/],
  ['a connection string', probe('text', "{ kind: sql, engine: postgresql, database: 'host=x', user: b, query: q }"), /probe\.database: must be the plain name/],
  ['an account that is an option', probe('text', '{ kind: command, argv: [a], user: -x }'), /probe\.user: must not begin with "-"/],
  [
    'a name that nothing has, in a probe',
    swap("openssl, '${path}'", "openssl, '${file}'"),
    'shared.yaml:15:54: markers[0].probe.argv[1]: ${file} is none of path, hours, server, peer, address',
  ],
  [
    'a marker in a probe',
    swap("openssl, '${path}'", "openssl, '${server.days.now}'"),
    /argv\[1\]: \$\{server\.days\.now\}: what a marker holds is not filled in here/,
  ],
  ['a "${" without an end', swap("openssl, '${path}'", "openssl, '${path'"), /argv\[1\]: a "\$\{" does not end/],
  [
    'a name that nothing has, in a message',
    swap('has ${server.key', 'has ${colour} ${server.key'),
    /rules\[0\]\.message: \$\{colour\} is none of path, hours, server, peer, nor a marker/,
  ],
  ['an address in a message', swap('has ${server.key', 'has ${address} ${server.key'), /rules\[0\]\.message: \$\{address\} is none of/],
  [
    'a marker that is not there, in a message',
    swap('${server.key.recovery-point}', '${server.lock.now}'),
    /message: \$\{server\.lock\.now\}: no marker is named "lock"/,
  ],
  ['a marker that is not captured, in a message', swap('${server.key.recovery-point}', '${peer.age.recovery-point}'), /message: .*"age" is not captured/],
  ['a marker in the arguments of a step', swap("copy, '${path}'", "copy, '${server.key.now}'"), /step\.argv\[1\]: .*what a marker holds is not filled in here/],
  ['a severity that asks for a step without one', GOOD.slice(0, GOOD.indexOf('    step:')), /rules\[0\]\.severity: the severity "step" needs a step/],
  [
    'a step of another severity',
    swap('severity: step', 'severity: block'),
    /rules\[0\]\.step: only a rule of the severity "step" has a step, not one of "block"/,
  ],
  [
    'a server that is made anew from itself',
    swap('on: server, when: quarantine', 'on: server, when: quarantine, reseeds: true'),
    /step\.reseeds: only the peer can be made anew from the server/,
  ],
  [
    'a restore of both for what does not block',
    swap('severity: step', 'severity: step\n    together: true'),
    /rules\[0\]\.together: only a rule that blocks a plan asks for a restore of both/,
  ],
  ['a step in a quarantine that is over', swap('phases: [plan]', 'phases: [live]'), /step\.when: in the phase "live" the quarantine is over/],
  ["a verdict that is no rule's", swap('severity: step', 'severity: ok'), /rules\[0\]\.severity: /],
  ['no condition', swap('when:\n', 'when: []\n').replace(/ {6}- (?:compare|\{)[^]*?(?= {4}severity)/, ''), /rules\[0\]\.when/],
  [
    'a marker that is not there',
    rule('{ value: { marker: lock, of: peer, at: now }, equals: a }'),
    /^shared\.yaml:32:28: rules\[0\]\.when\[2\]\.value\.marker: no marker is named "lock"/,
  ],
  [
    'a marker of the server at the peer',
    rule("{ value: { marker: days, of: peer, at: now }, equals: '1' }"),
    /value\.of: the marker "days" is read at the server, not at the peer/,
  ],
  [
    'a marker of the peer at the server',
    rule('{ value: { marker: age, of: server, at: now }, equals: a }'),
    /value\.of: the marker "age" is read at the peer, not at the server/,
  ],
  [
    'what is not captured',
    rule('{ value: { marker: age, of: peer, at: recovery-point }, equals: a }'),
    /value\.at: the marker "age" is not captured with recovery points/,
  ],
  ['both of two', rule('{ value: { marker: age, of: peer, at: now }, equals: a, differs: b }'), /when\[2\]: must have equals or differs, one of them/],
  ['neither of two', rule("{ text: '${server}' }"), /when\[2\]: must have equals or differs, one of them/],
  ['a marker in a compared text', rule("{ text: '${server.key.now}', equals: a }"), /when\[2\]\.text: .*not filled in here/],
  ['an order that never comes out', swap('is: [diverged]', 'is: [ahead]'), /is\[0\]: two markers of type hash are "same" or "diverged"/],
  ['an order that is none', swap('is: [diverged]', 'is: [diverse]'), /^shared\.yaml:30:14: rules\[0\]\.when\[0\]\.is\[0\]: /],
  ['an order twice', swap('is: [diverged]', 'is: [same, same]'), /when\[0\]\.is: must not hold one twice/],
  [
    'a comparison with itself',
    swap('with: { marker: key, of: peer, at: now }', 'with: { marker: key, of: server, at: recovery-point }'),
    /when\[0\]\.with: is compared with itself/,
  ],
  [
    'two types',
    swap('with: { marker: key, of: peer, at: now }', 'with: { marker: age, of: peer, at: now }'),
    /with\.marker: markers of type hash and timestamp cannot be compared/,
  ],
  [
    'a source of what has none',
    swap('is: [diverged]', "is: [diverged]\n        from: '001'"),
    /from: only of a gtid-set or a csn-set a part can be compared, not of a hash/,
  ],
  [
    'an age of what is no moment',
    rule('{ age: { marker: days, of: server, at: now }, atLeast: 1, unit: hours }'),
    /age\.marker: must be a marker of type timestamp, and is one of type counter/,
  ],
  ['an age without a unit', rule('{ age: recovery-point, atLeast: 1 }'), /when\[2\]\.unit: /],
  ['an age by a parameter that is not there', swap('parameter: hours', 'parameter: days'), /atLeast\.parameter: no parameter is named "days"/],
  [
    'an age by what is no number',
    swap('atLeast: { marker: { marker: days, of: server, at: now } }', 'atLeast: { marker: { marker: age, of: peer, at: now } }'),
    /atLeast\.marker\.marker: must be a marker of type counter/,
  ],
  ['a negative age', rule('{ age: recovery-point, atLeast: -1, unit: hours }'), /when\[2\]\.atLeast: /],
  [
    'a position that is none',
    rule(
      '{ position: { marker: key, of: peer, at: now }, history: { marker: key, of: server, at: now }, line: { marker: key, of: server, at: now }, isOn: true }',
    ),
    /position\.marker: must be a marker of type lsn/,
  ],
  [
    'a field in the wrong condition',
    rule('{ age: recovery-point, atLeast: 1, unit: hours, is: [same] }'),
    /^shared\.yaml:32:\d+: rules\[0\]\.when\[2\]\.is: this field is not known/,
  ],
])('refuses %s', (_what, text, expected) => {
  const errors = errorsOf(text);
  expect(errors).toContainEqual(typeof expected === 'string' ? expected : expect.stringMatching(expected));
});

it('says everything that is wrong at once', () => {
  expect(
    errorsOf(swap('has ${server.key.recovery-point}', 'has ${a}').replace('marker: days', 'marker: months').replace('type: counter', 'type: number')),
  ).toHaveLength(1);
  expect(errorsOf(swap('has ${server.key.recovery-point}', 'has ${a}').replace('marker: days', 'marker: months'))).toHaveLength(2);
});

it.each([
  ['what is too large', `${GOOD}${'#'.repeat(MAX_PROFILE_BYTES)}`, /larger than 256 KiB/],
  ['what is nested without end', `format: ${'['.repeat(60)}`, /nested more than 50 levels deep/],
  ['references that multiply', 'a: &a [1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c]\n', /references/],
  ['a key twice', `${GOOD}name: shared\n`, /Map keys must be unique/],
  ['nothing', '', /^shared\.yaml:1:1: the file: /],
])('refuses %s', (_what, text, expected) => expect(errorsOf(text)[0]).toMatch(expected));
