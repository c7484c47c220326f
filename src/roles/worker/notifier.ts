import { setTimeout as delay } from 'node:timers/promises';
import type { Catalog } from '../../catalog/catalog';
import type { Log } from '../../config/log';
import type { AlertChannel } from '../../contracts/alert';
import { toModosuError } from '../../contracts/errors';
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
  /** Of a clock that only goes on. */
  readonly nowMs: () => number;
}

const INTERVAL_MS = 2_000;
const REVIEW_MS = 15_000;

/** Keeps what one pass leaves to the next. */
export class Notifier {
  private reviewedAtMs = Number.NEGATIVE_INFINITY;
  private problem: string | null = null;

  constructor(private readonly dependencies: NotifierDependencies) {}

  /** One pass. What fails is tried again in the next, and told once. */
  async pass(signal: AbortSignal): Promise<void> {
    const { log } = this.dependencies;
    try {
      await this.review();
      await this.send(signal);
      if (this.problem !== null) log.info({}, 'alerts: it works again');
      this.problem = null;
    } catch (thrown) {
      const { code } = toModosuError(thrown);
      if (code !== this.problem) log.warn({ code, error: thrown }, 'alerts: it failed and is tried again');
      this.problem = code;
    }
  }

  private async review(): Promise<void> {
    const { catalog, channels, log, nowMs } = this.dependencies;
    if (nowMs() - this.reviewedAtMs < REVIEW_MS) return;
    const { raised, cleared } = await catalog.reviewAlerts([...channels.keys()]);
    this.reviewedAtMs = nowMs();
    if (raised + cleared > 0) log.info({ raised, cleared }, 'alerts have changed');
  }

  /** A channel whose receiver is slow or away keeps no other waiting. */
  private async send(signal: AbortSignal): Promise<void> {
    const sent = await Promise.allSettled([...this.dependencies.channels].map(([channel, send]) => this.sendBy(channel, send, signal)));
    for (const outcome of sent) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /** Until none is due, or one does not get through: the others would wait for the same receiver. */
  private async sendBy(channel: AlertChannel, send: SendAlert, signal: AbortSignal): Promise<void> {
    const { catalog, log } = this.dependencies;
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
}

/** Passes until the signal aborts. */
export async function notifyUntil(signal: AbortSignal, dependencies: NotifierDependencies, intervalMs = INTERVAL_MS): Promise<void> {
  const notifier = new Notifier(dependencies);
  while (!signal.aborted) {
    await notifier.pass(signal);
    await delay(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}
