import { request as requestPlain, type IncomingMessage } from 'node:http';
import { request as requestTls } from 'node:https';

export interface HttpAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/** The answer went on beyond what was allowed; the rest of it was not taken. */
export class AnswerTooLarge extends Error {
  override readonly name = 'AnswerTooLarge';
}

export interface GetOptions {
  readonly headers: Readonly<Record<string, string>>;
  /** PEM of the authorities to trust, in place of the usual ones; null: the usual ones. */
  readonly ca: string | null;
  readonly maxBytes: number;
  /** Ends the whole of it, also in the middle of a body. */
  readonly signal: AbortSignal;
}

/**
 * One GET over a connection of its own, which nothing is left of. Node's client and not `fetch`: that takes no authority for one request alone, and this one
 * follows no redirect and no proxy of the environment, so what a header carries goes to this address and nowhere else. Throws Node's errors, and `AnswerTooLarge`.
 */
export async function httpsGet(url: URL, { headers, ca, maxBytes, signal }: GetOptions): Promise<HttpAnswer> {
  const response = await begin(url, { headers, ca, signal });
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  // Left half-way, also by what is thrown, it closes the connection.
  for await (const chunk of response as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) throw new AnswerTooLarge();
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks) };
}

function begin(url: URL, { headers, ca, signal }: Omit<GetOptions, 'maxBytes'>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    // Said, because a variable of the environment would else switch the check of certificates off.
    const options = { headers, signal, agent: false, rejectUnauthorized: true, ...(ca === null ? {} : { ca }) };
    const request = url.protocol === 'https:' ? requestTls(url, options) : requestPlain(url, options);
    request.once('response', resolve);
    // Stays: a connection that fails later reports it here as well as in the answer.
    request.on('error', reject);
    request.end();
  });
}
