import { setTimeout as delay } from 'node:timers/promises';
import type { Catalog } from '../../catalog/catalog';
import type { Log } from '../../config/log';
import type { AlertChannel } from '../../contracts/alert';
import { toModosuError } from '../../contracts/errors';
import type { ClockWatch } from '../../domain/clock-watch';
import type { SendAlert } from '../../notify/send-alert';

/**
 * Tells people what they would otherwise have to look for. Compares what is so with what was told, and sends the messages that are due. It may be done by
 * several workers at once; a message may arrive twice, and none is lost while the worker is away.
 */
export interface NotifierDependencies {
  readonly catalog: Pick<Catalog, 'reviewAlerts' | 'nextAlertMessage' | 'recordAlertAttempt'>;
  /** Those that are configured; none: alerts are kept, and nobody is told. */
  readonly channels: ReadonlyMap<AlertChannel, SendAlert>;
  readonly log: Log;
  /** Kept from comparison to comparison: after a jump ahead every server would seem unprotected. */
  readonly clock: Pick<ClockWatch, 'isSteady'>;
  /** Of a clock that only goes on. */
  readonly nowMs: () => number;
}

const SEND_MS = 2_000;
const REVIEW_MS = 15_000;

/** One comparison. */
export async function review({ catalog, channels, log, clock, nowMs }: NotifierDependencies): Promise<void> {
  const { raised, cleared } = await catalog.reviewAlerts([...channels.keys()], (now) => {
    if (clock.isSteady(now.getTime(), nowMs())) return true;
    log.warn({ now: now.toISOString() }, 'the time of day of PostgreSQL has jumped ahead: no alert begins or ends until it is put right, or for an hour');
    return false;
  });
  if (raised + cleared > 0) log.info({ raised, cleared }, 'alerts have changed');
}

/** Sends by one channel until no message is due, or one does not get through: the others would wait for the same receiver. */
export async function sendDue(channel: AlertChannel, send: SendAlert, signal: AbortSignal, { catalog, log }: NotifierDependencies): Promise<void> {
  while (!signal.aborted) {
    const message = await catalog.nextAlertMessage(channel);
    if (message === null) return;
    const problem = await send(message, signal);
    await catalog.recordAlertAttempt(message.deliveryId, problem);
    if (problem === null) continue;
    log.warn({ delivery: message.deliveryId, alert: message.alert.id, channel, problem }, 'a message about an alert was not delivered');
    return;
  }
}

/** Until the signal aborts. Neither a slow receiver nor a comparison that fails keeps the rest from going on. */
export async function notifyUntil(signal: AbortSignal, dependencies: NotifierDependencies, { reviewMs = REVIEW_MS, sendMs = SEND_MS } = {}): Promise<void> {
  await Promise.all([
    again(signal, reviewMs, dependencies.log.child({ alerts: 'comparison' }), () => review(dependencies)),
    ...[...dependencies.channels].map(([channel, send]) =>
      again(signal, sendMs, dependencies.log.child({ alerts: channel }), () => sendDue(channel, send, signal, dependencies)),
    ),
  ]);
}

/** What fails is tried again, and told once. */
async function again(signal: AbortSignal, everyMs: number, log: Log, work: () => Promise<void>): Promise<void> {
  let problem: string | null = null;
  while (!signal.aborted) {
    try {
      await work();
      if (problem !== null) log.info({}, 'alerts: it works again');
      problem = null;
    } catch (thrown) {
      const { code } = toModosuError(thrown);
      if (code !== problem) log.warn({ code, error: thrown }, 'alerts: it failed and is tried again');
      problem = code;
    }
    await delay(everyMs, undefined, { signal }).catch(() => undefined);
  }
}
