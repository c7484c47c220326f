import { profileSchema } from '../../src/contracts/api/profile';
import type { Profile } from '../../src/contracts/profile';
import type { Relation } from '../../src/contracts/relation';

/** One server that counts, and others that follow its count: what a profile says of them that blocks when a follower is ahead. */
export const FOLLOWER_PROFILE: Profile = profileSchema.parse({
  format: 'modosu-profile',
  version: 1,
  name: 'follower',
  title: 'A count that others follow',
  status: 'experimental',
  description: 'For tests.',
  parameters: [{ name: 'leader', description: 'Name of the server that counts.', default: null }],
  markers: [{ name: 'count', type: 'counter', of: 'each', isCaptured: true, probe: { kind: 'command', argv: ['/usr/bin/head', '-n1', '/srv/count'] } }],
  rules: [
    {
      code: 'FOLLOWER_AHEAD',
      phases: ['plan'],
      when: [
        { text: '${leader}', equals: '${server}' },
        {
          compare: { marker: 'count', of: 'peer', at: 'now' },
          with: { marker: 'count', of: 'server', at: 'recovery-point' },
          is: ['ahead'],
        },
      ],
      severity: 'block',
      message: '"${peer}" has counted to ${peer.count.now}, and "${server}" goes back to ${server.count.recovery-point}.',
      remedy: 'Take another recovery point.',
    },
    {
      code: 'FOLLOWER_TO_COPY',
      phases: ['plan'],
      when: [
        { text: '${leader}', equals: '${server}' },
        { compare: { marker: 'count', of: 'peer', at: 'now' }, with: { marker: 'count', of: 'server', at: 'recovery-point' }, is: ['ahead'] },
      ],
      severity: 'step',
      message: '"${peer}" has to be made anew.',
      step: { title: 'Copy the count from "${server}" to "${peer}".', on: 'peer', when: 'live', reseeds: true },
    },
    {
      code: 'FOLLOWER_STILL_AHEAD',
      phases: ['live'],
      when: [
        { text: '${leader}', equals: '${server}' },
        { compare: { marker: 'count', of: 'peer', at: 'now' }, with: { marker: 'count', of: 'server', at: 'now' }, is: ['ahead'] },
      ],
      severity: 'block',
      message: '"${peer}" is still ahead.',
    },
  ],
});

/** Declared from both sides. */
export const followerRelations = (leader: string, follower: string): readonly Relation[] => {
  const relation = (server: string, peer: string): Relation => ({
    name: `${server}-${peer}`,
    type: 'replicates-with',
    server,
    address: null,
    peers: [{ server: peer, address: null }],
    strength: 'hard',
    profile: 'follower',
    parameters: { leader },
  });
  return [relation(leader, follower), relation(follower, leader)];
};
