import { ModosuError } from '../../contracts/errors';
import type { Decommissioning } from '../../contracts/server';
import { SKEW_MS } from '../clock-skew';
import { unwatchedMs } from './retirement';

/** What holds of a server that is out of service, and until when its last recovery points are protected. Pure. */

const DAY_MS = 86_400_000;

/** When the days are over, counted from `now`. */
export const protectionEnd = (keepDays: number, now: Date): Date => new Date(now.getTime() + keepDays * DAY_MS);

/**
 * The same after a look at it: time that nobody has watched since it was decommissioned counts for nothing, and an end that lies further ahead than all its
 * days was given by a clock that was wrong.
 *
 * @param lastLook null: nobody has looked before
 */
export function watchedProtectionEnd({ at, keepDays, protectsUntil }: Decommissioning, lastLook: Date | null, now: Date): Date {
  const watchedSince = new Date(Math.max(Date.parse(at), lastLook?.getTime() ?? Number.NEGATIVE_INFINITY));
  const endMs = Date.parse(protectsUntil) + unwatchedMs(watchedSince, now);
  const latest = protectionEnd(keepDays, now);
  return endMs > latest.getTime() + SKEW_MS ? latest : new Date(endMs);
}

interface InOrOutOfService {
  readonly id: string;
  readonly name: string;
  /** Null: it is in service. */
  readonly decommissioned: Decommissioning | null;
}

/**
 * Whether that is so already: then nothing is to be done. Throws `CONFIRMATION_MISMATCH`, and `SERVER_DECOMMISSIONED` where its recovery points would be
 * protected for another time than what is asked for.
 *
 * @param confirm what the person typed; must be the server's name
 * @param storableText what was typed, cut to so many bytes, as it can be shown
 */
export function isDecommissionedAlready(
  server: InOrOutOfService,
  { confirm, keepDays }: { readonly confirm: string; readonly keepDays: number },
  storableText: (text: string, maxBytes: number) => string,
): boolean {
  const { name, decommissioned } = server;
  if (confirm !== name) {
    throw new ModosuError(
      'CONFIRMATION_MISMATCH',
      `Server "${name}" was to be decommissioned, but "${storableText(confirm, 128)}" was typed. Nothing was changed.`,
      { context: { server: name } },
    );
  }
  if (decommissioned === null) return false;
  if (decommissioned.keepDays === keepDays) return true;
  throw new ModosuError(
    'SERVER_DECOMMISSIONED',
    `${sinceWhen(server, decommissioned)}, and keeps what is protected for ${decommissioned.keepDays} days, not ${keepDays}. Nothing was changed.`,
    {
      hint: `For another time take it back into service first: \`modosu server recommission ${name} --reason TEXT\`, then decommission it again.`,
      context: { server: name },
    },
  );
}

/** Nothing backs up a server that is out of service. Throws `SERVER_DECOMMISSIONED`. */
export function requireInService(server: InOrOutOfService): void {
  const { id: serverId, name, decommissioned } = server;
  if (decommissioned === null) return;
  throw new ModosuError('SERVER_DECOMMISSIONED', `${sinceWhen(server, decommissioned)}: ${decommissioned.reason}. Nothing was started.`, {
    hint: `Nothing backs up a decommissioned server. Take it back into service first: \`modosu server recommission ${name} --reason TEXT\`.`,
    context: { serverId, server: name },
  });
}

const sinceWhen = ({ name }: Pick<InOrOutOfService, 'name'>, { at, by }: Decommissioning): string => `Server "${name}" was decommissioned by ${by} at ${at}`;
