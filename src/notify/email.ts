import { createTransport } from 'nodemailer';
import type { AlertMessage } from '../contracts/alert';
import { cleanWords } from '../contracts/text';
import type { SendAlert } from './send-alert';

export interface EmailConfig {
  /** `smtp://` (STARTTLS where it is offered) or `smtps://`, with the login where there is one: a secret. */
  readonly url: string;
  readonly from: string;
  readonly to: readonly string[];
}

const LOOPBACK = /^(?:127\.[0-9.]+|\[::1\]|localhost)$/;
/** Of a whole attempt: shorter than the pause after which somebody else makes the next one. */
const DEADLINE_MS = 25_000;
/** What a guest or a program has said is bounded before it is stored; this only keeps a line a line. */
const MAX_LINE = 4000;

/**
 * Sends messages as plain text mail, one for each, to all receivers at once. All attempts have the same `Message-ID`; the mail about the end answers the one
 * about the beginning, so that mail programs show them together. What the server has taken for at least one receiver is delivered. A login is sent over TLS
 * only.
 *
 * @param options.onRefused told how many receivers the server has refused of a mail that it took for others
 */
export function email(
  { url, from, to }: EmailConfig,
  { deadlineMs = DEADLINE_MS, onRefused = () => undefined }: { readonly deadlineMs?: number; readonly onRefused?: (refused: number) => void } = {},
): SendAlert {
  return async (message, signal) => {
    const { username, hostname } = new URL(url);
    const late = AbortSignal.timeout(deadlineMs);
    const transport = createTransport({
      url,
      // On loopback nobody listens, and hardly any server there offers TLS.
      requireTLS: username !== '' && !LOOPBACK.test(hostname),
      // Nothing of a mail may name a file or an address to fetch: guests have a say in the text.
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    try {
      const { rejected } = await transport.sendMail({ ...mailOf(message, from, to), signal: AbortSignal.any([signal, late]) });
      if (rejected.length > 0) onRefused(rejected.length);
      return null;
    } catch (thrown) {
      if (signal.aborted) return 'the worker was stopped meanwhile';
      return late.aborted ? `no answer within ${deadlineMs / 1000} s` : problemOf(thrown);
    } finally {
      transport.close();
    }
  };
}

function mailOf({ deliveryId, event, alert }: AlertMessage, from: string, to: readonly string[]) {
  const domain = /@([A-Za-z0-9.-]+)>?$/.exec(from)?.[1] ?? 'modosu';
  const thread = `<${alert.id}@${domain}>`;
  const word = event === 'raised' ? 'ALERT' : 'OVER';
  return {
    from,
    to: [...to],
    messageId: event === 'raised' ? thread : `<${deliveryId}@${domain}>`,
    ...(event === 'raised' ? {} : { inReplyTo: thread, references: thread }),
    subject: cleanWords(`[Modosu] ${word} ${alert.serverName}: ${alert.code}`),
    text: textOf(event, alert),
    // Whoever is away must not answer.
    headers: { 'auto-submitted': 'auto-generated' },
  };
}

function textOf(event: AlertMessage['event'], { message, hint, raisedAt, clearedAt, serverName, code, runId, id }: AlertMessage['alert']): string {
  const facts = [`server: ${serverName}`, `code: ${code}`, ...(runId === null ? [] : [`run: ${runId}`]), `since: ${raisedAt}`];
  const lines = event === 'raised' ? [message, '', hint, '', ...facts] : ['This is over:', '', message, '', ...facts, `until: ${clearedAt ?? ''}`];
  return [...lines, `alert: ${id}`, ''].map((line) => cleanWords(line, MAX_LINE)).join('\n');
}

/** The code alone: what the server says may repeat the login. */
function problemOf(thrown: unknown): string {
  const { code, responseCode } = Object(thrown) as { readonly code?: unknown; readonly responseCode?: unknown };
  const parts = [code, responseCode].filter((part) => (typeof part === 'string' && /^[A-Z_0-9]{1,60}$/.test(part)) || typeof part === 'number');
  return `the mail server did not take it${parts.length === 0 ? '' : ` (${parts.join(' ')})`}`;
}
