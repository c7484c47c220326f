import { policySchema } from '../contracts/api/policy';
import { isModosuError } from '../contracts/errors';
import { requireSensiblePolicy } from './policy-rules';

const KIND = { schedule: { every: 'day', at: '01:00' }, retention: { last: 3 } };
const codeOf = (offsite: object, of: object = { image: KIND }): string | null => {
  try {
    requireSensiblePolicy(policySchema.parse({ name: 'daily', ...of, offsite: { repository: 'vault', retention: { last: 1 }, ...offsite } }));
    return null;
  } catch (error) {
    return isModosuError(error) ? error.code : 'INTERNAL';
  }
};

it('a policy whose off-site part cannot be meant is refused', () => {
  expect(codeOf({})).toBeNull();
  expect(codeOf({ retention: {} })).toBe('RETENTION_KEEPS_NOTHING');
  expect(codeOf({ retention: { withinDays: 50_000 } })).toBe('POLICY_INVALID');
  expect(codeOf({ image: false })).toBe('POLICY_INVALID');
  expect(codeOf({ image: false }, { image: KIND, data: KIND })).toBeNull();
  expect(codeOf({ data: false }, { data: KIND })).toBe('POLICY_INVALID');
});
