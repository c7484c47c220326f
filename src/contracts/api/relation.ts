import { z } from 'zod';
import { NAME_RULE, PARAMETER_NAME_PATTERN, PARAMETER_NAME_RULE, PART_NAME_PATTERN, PART_NAME_RULE, SERVER_NAME_PATTERN } from '../names';
import { RELATION_STRENGTHS, RELATION_TYPES, type Relation } from '../relation';
import { lineOrNothing } from './common';
import { hostAddress } from './protection';

/** Relations as the estate file declares them and the API shows them. */

const partName = z.string().regex(PART_NAME_PATTERN, PART_NAME_RULE);
const serverName = z.string().regex(SERVER_NAME_PATTERN, NAME_RULE);
const MAX_PEERS = 50;

const address = hostAddress
  .nullable()
  .default(null)
  .meta({ description: 'Where a worker reaches the server, for probes over the network. null: it is asked through its guest agent alone.' });

const peerSchema = z.strictObject({ server: serverName, address });

export const relationSchema = z
  .strictObject({
    name: partName,
    type: z.enum(RELATION_TYPES).meta({
      description:
        'depends-on: the server works only while its peers do. replicates-with: they hold copies of each other’s state. member-of: they are members of one cluster or domain.',
    }),
    server: serverName.meta({ description: 'The server that would go back in time. A relation that holds both ways is declared both ways.' }),
    address,
    peers: z
      .array(peerSchema)
      .min(1)
      .max(MAX_PEERS)
      .refine((peers) => new Set(peers.map(({ server }) => server)).size === peers.length, 'the same server stands in it twice'),
    strength: z
      .enum(RELATION_STRENGTHS)
      .default('hard')
      .meta({ description: 'Of depends-on. hard: it does not even start without them. soft: it starts, and misses them.' }),
    profile: partName.nullable().default(null).meta({ description: 'What is read at both, and how it is judged. null: nothing is.' }),
    parameters: z
      .record(z.string().regex(PARAMETER_NAME_PATTERN, PARAMETER_NAME_RULE), lineOrNothing(500))
      .default({})
      .meta({ description: 'For the profile.' }),
  })
  .refine(({ server, peers }) => peers.every((peer) => peer.server !== server), { path: ['peers'], message: 'a server is no peer of itself' })
  .refine(({ profile, parameters }) => profile !== null || Object.keys(parameters).length === 0, {
    path: ['parameters'],
    message: 'parameters are for a profile, and none is named',
  })
  .meta({ id: 'Relation' }) satisfies z.ZodType<Relation>;
