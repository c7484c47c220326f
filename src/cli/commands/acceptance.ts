import type { Command } from 'commander';
import { ModosuError } from '../../contracts/errors';

/** What people say about the findings of plans that they have carried out. */

export interface AcceptanceFlags {
  readonly override?: readonly string[];
  readonly overrideReason?: string;
  readonly acknowledgeUnknown?: true;
}

/** An option that may be repeated. */
export const several = (value: string, earlier: readonly string[] = []): readonly string[] => [...earlier, value];

/** As the API has them. Throws `USAGE`. */
export function acceptedOf({ override, overrideReason, acknowledgeUnknown }: AcceptanceFlags): object {
  if ((override === undefined) !== (overrideReason === undefined)) {
    throw new ModosuError('USAGE', '--override and --override-reason go together: which findings, and why.');
  }
  return { ...(override === undefined ? {} : { override: { codes: override, reason: overrideReason } }), acknowledgeUnknown };
}

/** Of whatever carries a plan out. */
export const withAcceptance = (command: Command): Command =>
  command
    .option('--override <code>', 'carry it out although this finding about a peer blocks it; may be repeated', several)
    .option('--override-reason <text>', 'why what blocks is overridden; it goes into the audit')
    .option('--acknowledge-unknown', 'carry it out although something about it is not known; it goes into the audit');
