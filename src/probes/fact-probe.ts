import type { ProbeSpec } from '../contracts/profile';
import { probeFailed, type Asked } from './transport';

type FactProbe = Extract<ProbeSpec, { kind: 'fact' }>;

/** Of a server whose definition has no `<genid>`: that is known, and a rule may speak of it. */
const NO_GENERATION_ID = 'none';

/**
 * What is known already; nobody is asked. `generation-id`: `none` where the definition has none. `clock`: the worker's own, to set another one beside. Throws
 * `PROBE_FAILED` for what nobody has looked at.
 */
export async function tellFact({ fact }: FactProbe, { target: { facts, now } }: Asked): Promise<string> {
  switch (fact) {
    case 'generation-id':
      if (facts.generationId === undefined) throw probeFailed('Nobody has looked into the definition of the server');
      return facts.generationId ?? NO_GENERATION_ID;
    case 'point-in-time':
      if (facts.pointInTime === undefined) throw probeFailed('No recovery point is looked at, so there is no point in time');
      return facts.pointInTime;
    case 'clock':
      return now().toISOString();
  }
}
