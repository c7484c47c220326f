import { createHmac } from 'node:crypto';
import type { SendAlert } from './send-alert';

export interface WebhookConfig {
  /** Is a secret where the receiver has put one into it. */
  readonly url: string;
  readonly secret: string;
}

const DEADLINE_MS = 10_000;

/**
 * Sends messages as the Standard Webhooks specification says: POST of JSON with `webhook-id` (the same at every attempt: a receiver that has seen it may
 * leave it), `webhook-timestamp` and `webhook-signature`. Any answer of 200 to 299 is a delivery; a redirect is none, because what it leads to was not
 * configured. A message may arrive twice: an answer that is lost is asked for again.
 */
export function webhook({ url, secret }: WebhookConfig, fetchIt: typeof fetch = fetch, now: () => Date = () => new Date()): SendAlert {
  return async ({ deliveryId, event, alert }, signal) => {
    const body = JSON.stringify({ type: `alert.${event}`, timestamp: event === 'raised' ? alert.raisedAt : alert.clearedAt, data: alert });
    const seconds = String(Math.floor(now().getTime() / 1000));
    try {
      const answer = await fetchIt(url, {
        method: 'POST',
        redirect: 'manual',
        headers: {
          'content-type': 'application/json',
          'webhook-id': deliveryId,
          'webhook-timestamp': seconds,
          'webhook-signature': `v1,${signatureOf(secret, `${deliveryId}.${seconds}.${body}`)}`,
        },
        body,
        signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
      });
      // What it says is nobody's business here, and may be endless.
      await answer.body?.cancel();
      return answer.ok ? null : `the receiver answered ${answer.status}`;
    } catch (thrown) {
      return problemOf(thrown);
    }
  };
}

/** `whsec_` and Base64, as the specification writes keys (the configuration has looked at it); anything else is taken as it is. */
function signatureOf(secret: string, signed: string): string {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : secret;
  return createHmac('sha256', key).update(signed).digest('base64');
}

/** The message of the error may hold the address. */
function problemOf(thrown: unknown): string {
  const { name, cause } = Object(thrown) as { readonly name?: unknown; readonly cause?: { readonly code?: unknown } };
  if (name === 'TimeoutError') return `no answer within ${DEADLINE_MS / 1000} s`;
  if (name === 'AbortError') return 'the worker was stopped meanwhile';
  const code = cause?.code;
  return `the receiver cannot be reached${typeof code === 'string' && /^[A-Z_0-9]{1,60}$/.test(code) ? ` (${code})` : ''}`;
}
