import { ModosuError } from '../contracts/errors';
import type { ProbeSpec } from '../contracts/profile';
import { probeFailed, type Asked } from './transport';

type FactProbe = Extract<ProbeSpec, { kind: 'fact' }>;

/** Of a server whose definition has no `<genid>`: that is known, and a rule may speak of it. */
const NO_GENERATION_ID = 'none';

/**
 * What is known without anything of the profile's own. `generation-id`: in lower case, or `none` where the definition has none. `clock`: the guest's, as
 * its agent says. Throws `PROBE_FAILED` for what nobody has looked at, and what the agent throws.
 */
export async function tellFact({ fact }: FactProbe, asked: Asked): Promise<string> {
  const { facts } = asked.target;
  switch (fact) {
    case 'generation-id':
      if (facts.generationId === undefined) throw probeFailed('Nobody has looked into the definition of the server');
      return facts.generationId?.toLowerCase() ?? NO_GENERATION_ID;
    case 'point-in-time':
      if (facts.pointInTime === undefined) throw probeFailed('No recovery point is looked at, so there is no point in time');
      return facts.pointInTime;
    case 'clock':
      return clockOfGuest(asked);
  }
}

async function clockOfGuest({ target: { agent }, endsAt }: Asked): Promise<string> {
  if (agent === null) throw new ModosuError('AGENT_ABSENT', 'The probe asks for the clock of the guest, and no agent there is known.');
  return (await agent.clock(Math.max(1, endsAt - performance.now()))).toISOString();
}
