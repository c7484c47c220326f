import { estateSchema } from './estate';

const POLICY = { name: 'daily', image: { schedule: { every: 'day', at: '01:00' }, retention: { last: 3 } } };
const estate = (offsite: readonly object[], policy: object = {}) =>
  estateSchema.safeParse({ offsite, policies: [{ ...POLICY, ...policy }] }).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);

it('an off-site repository is fixed, and a policy copies images and data within 26 hours, unless they say otherwise', () => {
  const { offsite, policies } = estateSchema.parse({
    offsite: [{ name: 'vault', location: 'sftp:modosu@vault.example.org:/srv/modosu' }],
    policies: [{ ...POLICY, offsite: { repository: 'vault', retention: { last: 1 } } }],
  });
  expect(offsite).toEqual([{ name: 'vault', location: 'sftp:modosu@vault.example.org:/srv/modosu', media: 'fixed' }]);
  expect(policies[0]?.offsite).toMatchObject({ repository: 'vault', withinHours: 26, image: true, data: true });
});

it('an estate whose off-site part cannot be meant is refused', () => {
  const vault = { name: 'vault', location: '/mnt/vault' };
  expect(estate([{ ...vault, location: 'rest:https://modosu:secret@vault.example.org/' }])?.join()).toMatch(/^offsite\.0\.location: .*without credentials$/);
  expect(estate([{ ...vault, location: 'ftp:vault' }])).toHaveLength(1);
  expect(estate([vault, vault])).toEqual(['offsite: names must be unique']);
  expect(estate(Array.from({ length: 21 }, (_, index) => ({ ...vault, name: `vault${index}` })))).toHaveLength(1);
  expect(estate([vault], { offsite: { repository: 'elsewhere', retention: { last: 1 } } })).toEqual([
    'policies.0.offsite.repository: no off-site repository named "elsewhere" is declared in this file',
  ]);
});
