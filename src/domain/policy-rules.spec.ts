import { policySchema } from '../contracts/api/policy';
import { ModosuError } from '../contracts/errors';
import { requireSensiblePolicy } from './policy-rules';

const KIND = { schedule: { every: 'day', at: '01:00' }, retention: { last: 3 } };
const OFFSITE = { repository: 'vault', retention: { last: 1 } };
const TWICE_A_DAY = { cron: '0 0,12 * * *' };
/** Ten minutes pass at least, and ten less than a day at most. */
const TWICE_AT_NIGHT = { cron: '0,10 3 * * *' };

/** What differs from a good policy that takes both; null: it is taken. */
function refusalOf(differs: object): object | null {
  try {
    requireSensiblePolicy(policySchema.parse({ name: 'daily', image: KIND, data: KIND, ...differs }));
    return null;
  } catch (error) {
    if (!(error instanceof ModosuError)) throw error;
    const { code, message, context } = error;
    return { code, message, context };
  }
}

it.each<[string, object]>([
  ['takes images and data', {}],
  ['takes images alone', { data: null }],
  ['takes data alone', { image: null }],
  ['promises a recovery point of the disks just as often as images are due', { image: { ...KIND, rpoHours: 24 } }],
  ['promises a recovery point of data just as often as data is saved', { data: { ...KIND, rpoHours: 24 } }],
  ['spreads images until a minute before the next ones are due', { image: { ...KIND, schedule: TWICE_A_DAY, jitterMinutes: 719 } }],
  ['spreads data backups until a minute before the next ones are due', { data: { ...KIND, schedule: TWICE_AT_NIGHT, jitterMinutes: 9 } }],
  ['keeps for a hundred years', { image: { ...KIND, retention: { withinDays: 36_525 } }, data: { ...KIND, retention: { withinDays: 36_525 } } }],
  ['copies off-site', { offsite: OFFSITE }],
  ['keeps copies for a hundred years', { offsite: { ...OFFSITE, retention: { withinDays: 36_525 } } }],
  ['copies the data alone', { offsite: { ...OFFSITE, image: false } }],
  ['copies the images alone', { offsite: { ...OFFSITE, data: false } }],
  ['copies all there is, which is data', { image: null, offsite: OFFSITE }],
  ['copies all there is, which is images', { data: null, offsite: OFFSITE }],
  ['has nothing verified', { verification: null }],
  ['has its images booted', { verification: { boot: KIND.schedule } }],
  ['verifies data, and boots nothing', { image: null, verification: { boot: null } }],
  ['takes images of stopped servers', { image: { ...KIND, mode: 'offline' } }],
  ['rather takes an image of a running server that is not consistent than none', { image: { ...KIND, mode: 'online', allowCrashConsistent: true } }],
])('a policy is taken that %s', (_what, differs) => {
  expect(refusalOf(differs)).toBeNull();
});

it.each<[string, object, string]>([
  ['asks for nothing', { image: null, data: null }, 'asks for nothing: neither images nor data'],
  [
    'promises a recovery point of the disks more often than images are due',
    { image: { ...KIND, rpoHours: 23.9 } },
    'promises a recovery point of the disks every 23.9 h (rpoHours), but up to 24 h pass between two backups',
  ],
  [
    'promises a recovery point of data more often than data is saved, by however little',
    { data: { ...KIND, schedule: TWICE_AT_NIGHT, rpoHours: 23.8 } },
    'promises a recovery point of data every 23.8 h (rpoHours), but up to 24 h pass between two backups',
  ],
  [
    'spreads images until the next ones are due',
    { image: { ...KIND, schedule: TWICE_A_DAY, jitterMinutes: 720 } },
    'spreads images over 720 min (jitterMinutes), but the next ones are due before that',
  ],
  [
    'spreads data backups until the next ones are due',
    { data: { ...KIND, schedule: TWICE_AT_NIGHT, jitterMinutes: 10 } },
    'spreads data backups over 10 min (jitterMinutes), but the next ones are due before that',
  ],
  ['keeps images for more than a hundred years', { image: { ...KIND, retention: { withinDays: 36_526 } } }, 'keeps for more than 36525 days by "withinDays"'],
  ['keeps data for more than a hundred years', { data: { ...KIND, retention: { withinDays: 36_526 } } }, 'keeps for more than 36525 days by "withinDays"'],
  [
    'keeps copies for more than a hundred years',
    { offsite: { ...OFFSITE, retention: { withinDays: 36_526 } } },
    'keeps copies for more than 36525 days by "withinDays"',
  ],
  [
    'copies neither images nor data',
    { offsite: { ...OFFSITE, image: false, data: false } },
    'has nothing to copy off-site (offsite): it takes none of what is to be copied',
  ],
  [
    'copies images alone, and takes none',
    { image: null, offsite: { ...OFFSITE, data: false } },
    'has nothing to copy off-site (offsite): it takes none of what is to be copied',
  ],
  [
    'copies data alone, and takes none',
    { data: null, offsite: { ...OFFSITE, image: false } },
    'has nothing to copy off-site (offsite): it takes none of what is to be copied',
  ],
  [
    'has images booted, and takes none',
    { image: null, verification: { boot: KIND.schedule } },
    'has images booted for a proof (verification.boot), but takes none',
  ],
  [
    'allows inconsistent images of stopped servers',
    { image: { ...KIND, mode: 'offline', allowCrashConsistent: true } },
    'says allowCrashConsistent, but takes images of stopped servers, which are always consistent',
  ],
])('a policy is refused that %s', (_what, differs, why) => {
  expect(refusalOf(differs)).toEqual({ code: 'POLICY_INVALID', message: `Policy "daily" ${why}. Nothing was changed.`, context: { policy: 'daily' } });
});

it.each<[string, object, string]>([
  ['image', { image: { ...KIND, retention: {} } }, 'The retention of the image backups of policy "daily"'],
  ['data', { data: { ...KIND, retention: {} } }, 'The retention of the data backups of policy "daily"'],
  ['offsite', { offsite: { ...OFFSITE, retention: {} } }, 'The off-site retention of policy "daily"'],
])('a policy is refused whose retention keeps nothing: %s', (kind, differs, whose) => {
  expect(refusalOf(differs)).toEqual({
    code: 'RETENTION_KEEPS_NOTHING',
    message: `${whose} keeps nothing: all its rules are 0.`,
    context: { policy: 'daily', kind },
  });
});

it.each<[string, object, string]>([
  ['images', { image: { ...KIND, schedule: { cron: '0 0 30 2 *' } } }, 'the image backups'],
  ['data', { data: { ...KIND, schedule: { cron: '0 0 30 2 *' } } }, 'the data backups'],
  ['boot proofs', { verification: { boot: { cron: '0 0 30 2 *' } } }, 'the boot proofs'],
])('a policy is refused whose schedule never comes, and it is said whose: %s', (_what, differs, whose) => {
  expect(refusalOf(differs)).toEqual({
    code: 'SCHEDULE_INVALID',
    message: `The schedule "0 0 30 2 *" of ${whose} of policy "daily" never comes: no month has such a day.`,
    context: { schedule: '0 0 30 2 *' },
  });
});

it.each<[string, object]>([
  ['takes backups', {}],
  ['takes none', { image: null, data: null }],
])('a policy in a time zone that nobody knows is refused for that: one that %s', (_what, differs) => {
  expect(refusalOf({ timeZone: 'Europe/Atlantis', ...differs })).toEqual({
    code: 'TIME_ZONE_UNKNOWN',
    message: 'The time zone "Europe/Atlantis" of policy "daily" is not known here.',
    context: { timeZone: 'Europe/Atlantis' },
  });
});
