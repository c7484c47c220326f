import { shippedProfile } from '../../../test/support/judged-profile';
import { profileSchema } from '../../contracts/api/profile';
import type { Profile } from '../../contracts/profile';
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
