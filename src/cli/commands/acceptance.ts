import type { Command } from 'commander';
import { ModosuError } from '../../contracts/errors';
import { several } from './options';

/** What of a plan's findings is accepted when it is carried out. */
export interface AcceptanceFlags {
  readonly override?: readonly string[];
  readonly overrideReason?: string;
  readonly acknowledgeUnknown?: true;
}

/** Of whatever carries a plan out. */
export const withAcceptance = (command: Command): Command =>
  command
    .option('--override <code>', 'carry it out although this finding about a peer blocks it; may be repeated', several)
    .option('--override-reason <text>', 'why what blocks is overridden; it goes into the audit')
    .option('--acknowledge-unknown', 'carry it out although something about it is not known; it goes into the audit');

/** As `POST /v1/restore-plans/PLAN/run` has them. Throws `USAGE`. */
export function acceptedOf({ override, overrideReason, acknowledgeUnknown }: AcceptanceFlags): object {
  if ((override === undefined) !== (overrideReason === undefined)) {
    throw new ModosuError('USAGE', '--override and --override-reason go together: which findings, and why.');
  }
  return { ...(override === undefined ? {} : { override: { codes: override, reason: overrideReason } }), acknowledgeUnknown };
}

export const acceptsAnything = ({ override, overrideReason, acknowledgeUnknown }: AcceptanceFlags): boolean =>
  override !== undefined || overrideReason !== undefined || acknowledgeUnknown !== undefined;
