import { shippedProfile } from '../../../test/support/judged-profile';
import { profileSchema } from '../../contracts/api/profile';
import type { Profile, RuleCondition } from '../../contracts/profile';
import { parameterFaults, ruleFaults } from './relation-faults';

const PAIR = { server: 'srv01', peer: 'srv02' };
const LDAP = { suffix: 'dc=example,dc=org', provider: 'srv01' };

describe('parameters of a relation', () => {
  it('are those of its profile', () => {
    expect(parameterFaults(shippedProfile('max-age'), { hours: '24' })).toEqual([]);
    expect(parameterFaults(shippedProfile('max-age'), { hours: '24', severity: 'block' })).toEqual([]);
    expect(parameterFaults(shippedProfile('max-age'), { hour: '24' })).toEqual([
      { parameter: 'hour', message: 'the profile max-age has no parameter "hour": it has hours, severity', part: null },
      { parameter: null, message: 'the profile max-age needs the parameter "hours": The age from which on it is too old.', part: null },
    ]);
    expect(parameterFaults(shippedProfile('generation-id'), { hours: '24' })).toEqual([
      { parameter: 'hours', message: 'the profile generation-id has no parameter "hours": it has none', part: null },
    ]);
    expect(parameterFaults(shippedProfile('clock'), { hours: '24' })).toEqual([
      { parameter: 'hours', message: 'the profile clock has no parameter "hours": it has minutes', part: null },
    ]);
  });

  it('are no names that every object has', () => {
    expect(parameterFaults(shippedProfile('clock'), JSON.parse('{"__proto__": "1"}') as Record<string, string>)).toHaveLength(1);
    expect(parameterFaults(shippedProfile('clock'), { constructor: '1' })).toHaveLength(1);
  });
});

describe('values that no rule could be judged with', () => {
  it.each(['a day', '', '-1', '1e3', '1000001'])('are a length of time such as "%s"', (hours) => {
    const faults = ruleFaults(shippedProfile('max-age'), { hours }, PAIR);
    const fault = { parameter: 'hours', message: '${hours}: it is no number for a length of time' };
    expect(faults).toEqual([
      { ...fault, part: 'rule RECOVERY_POINT_OLD' },
      { ...fault, part: 'rule RECOVERY_POINT_TOO_OLD' },
    ]);
  });

  it('are a source that is none', () => {
    expect(ruleFaults(shippedProfile('ldap-contextcsn'), { ...LDAP, sid: '010' }, PAIR)).toEqual([]);
    expect(ruleFaults(shippedProfile('ldap-contextcsn'), { ...LDAP, sid: '1' }, PAIR)[0]).toEqual({
      parameter: 'sid',
      message: expect.stringContaining('three hexadecimal digits') as string,
      part: 'rule CONSUMER_AHEAD',
    });
  });

  it('are a text that the marker can never be', () => {
    const profile: Profile = profileSchema.parse({
      format: 'modosu-profile',
      version: 1,
      name: 'floor',
      title: 'A floor',
      status: 'experimental',
      description: 'A counter that has to be at its floor.',
      parameters: [{ name: 'floor', description: 'A number.' }],
      markers: [{ name: 'epoch', type: 'counter', of: 'peer', probe: { kind: 'command', argv: ['/bin/epoch'] } }],
      rules: [
        {
          code: 'NOT_AT_FLOOR',
          phases: ['plan'],
          when: [{ value: { marker: 'epoch', of: 'peer', at: 'now' }, differs: '${floor}' }],
          severity: 'block',
          message: 'It is not at its floor.',
        },
      ],
    });
    expect(ruleFaults(profile, { floor: '7' }, PAIR)).toEqual([]);
    expect(ruleFaults(profile, { floor: 'seven' }, PAIR)).toMatchObject([{ parameter: 'floor', message: expect.stringContaining('seven') as string }]);
    // Told by `parameterFaults`.
    expect(ruleFaults(profile, {}, PAIR)).toEqual([]);
  });

  it('are those with which a rule blocks whatever is read', () => {
    expect(ruleFaults(shippedProfile('dns-zone'), { zone: 'example.org', primary: 'srv10' }, PAIR)).toMatchObject([
      { parameter: 'primary', message: expect.stringContaining('"srv10"') as string },
    ]);
    for (const primary of ['srv01', 'srv02']) expect(ruleFaults(shippedProfile('dns-zone'), { zone: 'example.org', primary }, PAIR)).toEqual([]);
  });
});

describe('a rule is no fault of the relation', () => {
  const GTIDS = { name: 'gtids', type: 'gtid-set', of: 'each', isCaptured: true, probe: { kind: 'command', argv: ['/bin/gtids'] } };
  const MOMENT = { name: 'moment', type: 'timestamp', of: 'server', isCaptured: true, probe: { kind: 'fact', fact: 'point-in-time' } };
  const COUNT = { name: 'count', type: 'counter', of: 'peer', probe: { kind: 'command', argv: ['/bin/count'] } };
  const faultsOf = (when: readonly RuleCondition[], parameters: Readonly<Record<string, string>>, severity: 'warn' | 'block' = 'block') => {
    const profile = profileSchema.parse({
      format: 'modosu-profile',
      version: 1,
      name: 'made-up',
      title: 'Made up',
      status: 'experimental',
      description: 'Made up.',
      parameters: [
        { name: 'given', description: 'Has to be given.' },
        { name: 'usual', description: 'Has a default.', default: '24' },
      ],
      markers: [GTIDS, MOMENT, COUNT],
      rules: [{ code: 'FOUND', phases: ['plan'], when, severity, message: 'It is so.' }],
    });
    return ruleFaults(profile, parameters, PAIR);
  };
  const age = (atLeast: Extract<RuleCondition, { readonly age: unknown }>['atLeast']): RuleCondition => ({ age: 'recovery-point', atLeast, unit: 'hours' });
  const from = (source: string): RuleCondition => ({
    compare: { marker: 'gtids', of: 'peer', at: 'now' },
    with: { marker: 'gtids', of: 'server', at: 'recovery-point' },
    is: ['ahead'],
    from: source,
  });
  const UUID = '3e11fa47-71ca-11e1-9e33-c80aa9429562';

  it.each<[string, RuleCondition, string]>([
    ['a number', age(24), 'x'],
    ['a length of time that can be used', age({ parameter: 'given' }), '24'],
    ['a default', age({ parameter: 'usual' }), 'x'],
    ['what a counter will say', age({ marker: { marker: 'count', of: 'peer', at: 'now' } }), 'x'],
    ['a source that can be one', from('${given}'), UUID],
    ['a source that a marker will name', from('${peer.gtids.now}'), 'x'],
  ])('with %s', (_what, condition, given) => {
    expect(faultsOf([condition], { given }, 'warn')).toEqual([]);
  });

  it.each<[string, RuleCondition]>([
    ['a length of time', age({ parameter: 'given' })],
    ['a source', from('${given}')],
  ])('where %s is missing, which is told already', (_what, condition) => {
    expect(faultsOf([condition], {}, 'warn')).toEqual([]);
  });

  const SO: RuleCondition = { text: '${server}', differs: '${given}' };
  const FOUND = [{ parameter: 'given', message: 'It is so.', part: 'rule FOUND' }];

  it.each<[string, RuleCondition]>([
    ['what differs', SO],
    ['what is the same', { text: 'srv10', equals: '${given}' }],
    ['what is compared', { text: '${given}', equals: 'srv10' }],
  ])('unless it blocks for ever: then of the parameter in %s', (_what, condition) => {
    expect(faultsOf([condition], { given: 'srv10' })).toEqual(FOUND);
    expect(faultsOf([condition], { given: 'srv01' })).toEqual([]);
  });

  it('where it only warns for ever', () => {
    expect(faultsOf([SO], { given: 'srv10' }, 'warn')).toEqual([]);
  });

  // Nobody has chosen a recovery point yet: what is said of one here must not come from the moment that stands in its place.
  it('where it also asks for a recovery point, whatever the texts say', () => {
    const old: RuleCondition = { value: { marker: 'moment', of: 'server', at: 'recovery-point' }, differs: '2026-01-01T00:00:00Z' };
    expect(faultsOf([SO, old], { given: 'srv10' })).toEqual([]);
    expect(faultsOf([SO, age(0)], { given: 'srv10' })).toEqual([]);
  });

  it('unless all of several texts are so', () => {
    const also = (equals: string): RuleCondition => ({ text: '${peer}', equals });
    expect(faultsOf([SO, also('srv02')], { given: 'srv10' })).toEqual(FOUND);
    expect(faultsOf([SO, also('srv03')], { given: 'srv10' })).toEqual([]);
  });
});
