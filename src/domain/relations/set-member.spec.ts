import { FOLLOWER_PROFILE, followerRelations } from '../../../test/support/follower-profile';
import { judgedPairs } from './pairs';
import { judgeTogether, type CandidatePoint } from './restored-together';
import { goesLiveLater, isProvenLater } from './set-member';

describe('of servers that are restored together', () => {
  const restoreSet = { id: 'rst_1', basis: 'freeze', members: ['db01', 'web01'].map((server) => ({ server })) } as never;
  const planOf = (name: string, more = {}) => ({ server: { name } as never, restoreSet, ...more });

  it('the earlier one leaves to the later one what is proven of the two, and nothing of others', () => {
    expect([goesLiveLater(restoreSet, 'web01', 'db01'), goesLiveLater(restoreSet, 'db01', 'web01')]).toEqual([true, false]);
    expect([isProvenLater(planOf('db01'), 'web01'), isProvenLater(planOf('web01'), 'db01')]).toEqual([true, false]);
    expect(isProvenLater(planOf('db01'), 'elsewhere')).toBe(false);
    expect(isProvenLater({ server: { name: 'db01' } as never }, 'web01')).toBe(false);
  });

  it('a peer of which nothing was stored has not been asked: that it does not answer once it is live was acknowledged by nobody', () => {
    const relations = followerRelations('db01', 'web01');
    const [pair] = judgedPairs(relations, 'db01', new Map([[FOLLOWER_PROFILE.name, FOLLOWER_PROFILE]]));
    if (pair === undefined) throw new Error('nothing is declared');
    const point = (server: string): CandidatePoint => ({
      id: `rp_${server}`,
      server,
      pointInTime: '2026-01-01T00:00:00.000Z',
      lineageId: server,
      setId: null,
      consistency: 'filesystem',
      markers: [],
    });
    const side = (server: string) => ({ point: point(server), others: [] });
    const { findings } = judgeTogether(pair, relations, side('db01'), side('web01'), new Date('2026-03-01T00:00:00.000Z'));
    const unread = findings.find(({ code }) => code === 'PEER_UNKNOWN');
    expect(unread).toMatchObject({ notKnown: ['peer.count.now'] });
    expect(unread).not.toHaveProperty('nothingKnown');
  });
});
