import { ModosuError } from '../contracts/errors';
import type { ProbeSpec } from '../contracts/profile';
import { cleanWords } from '../contracts/text';
import { MAX_MARKER_BYTES } from '../domain/consistency/markers';
import { AnswerTooLarge, httpsGet, type HttpAnswer } from '../system/https-get';
import { valueAt } from './json-pointer';
import { networkFailure } from './network-errors';
import { probeFailed, probeInvalid, type Asked } from './transport';

type HttpProbe = Extract<ProbeSpec, { kind: 'http' }>;

/** Of a document in which one value is looked for: states of clusters are longer than a marker. */
const MAX_DOCUMENT_BYTES = 1024 * 1024;

/**
 * One GET; any answer but 200 to 299 is `PROBE_FAILED`, a redirect, too: it would lead to somebody who was not to be asked. A certificate has to be one that
 * this machine trusts, for that name. What follows no pointer is the body, as UTF-8.
 */
export async function askByHttp({ url, pointer }: HttpProbe, { signal }: Asked): Promise<string> {
  const parsed = urlOf(url);
  // Without what may be secret: a query.
  const place = cleanWords(`${parsed.origin}${parsed.pathname}`, 200);
  const { status, body } = await get(parsed, place, pointer === undefined ? MAX_MARKER_BYTES : MAX_DOCUMENT_BYTES, signal);
  if (status >= 300 && status <= 399) throw probeFailed(`${place} answers with a redirect (${status}), which is not followed`);
  if (status < 200 || status > 299) throw probeFailed(`${place} answers with status ${status}`, body.toString('utf8', 0, 1_000));
  const text = body.toString('utf8');
  return pointer === undefined ? text : valueAt(text, pointer);
}

/** Throws `PROBE_INVALID`. */
export function urlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) throw probeInvalid(`"${cleanWords(text, 200)}" is no URL of HTTP or HTTPS.`);
  // A profile is stored, shown and sent around.
  if (url.username !== '' || url.password !== '') throw probeInvalid('A URL with a name or a password in it is not asked: a profile holds no secret.');
  return url;
}

async function get(url: URL, place: string, maxBytes: number, signal: AbortSignal): Promise<HttpAnswer> {
  try {
    return await httpsGet(url, { headers: {}, ca: null, maxBytes, signal });
  } catch (error) {
    if (!(error instanceof AnswerTooLarge)) throw networkFailure(error, place);
    throw new ModosuError('PROBE_OUTPUT_TOO_LARGE', `${place} answers with more than ${maxBytes / 1024} KiB.`, { cause: error });
  }
}
