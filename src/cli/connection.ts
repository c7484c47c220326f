import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { DEFAULT_API_URL, DEFAULT_STATE_DIRECTORY, ENDPOINTS_FILE, endpointsSchema, type Endpoints } from '../contracts/api/endpoints';
import { ModosuError } from '../contracts/errors';
import { parseJson } from '../contracts/json';
import { line, type CliIo } from './io';

export interface Connection {
  readonly apiUrl: URL;
  /** Null: none was found; the API then says what is missing. */
  readonly token: string | null;
}

/**
 * Address: MODOSU_API_URL, else the endpoints file of a running `modosu up`, else the default port on this machine. Token: MODOSU_TOKEN, MODOSU_TOKEN_FILE,
 * else the token file named beside the address. That last one is only ever sent to the address it belongs to.
 */
export async function findConnection(io: CliIo): Promise<Connection> {
  const endpoints = await readEndpoints(io);
  const given = nonEmpty(io.env['MODOSU_API_URL']);
  const apiUrl = apiAddress(given ?? endpoints?.apiUrl ?? DEFAULT_API_URL);
  const ownApi = endpoints !== null && new URL(endpoints.apiUrl).origin === apiUrl.origin;
  const token = await findToken(io, ownApi ? (endpoints.tokenFile ?? null) : null);
  if (token !== null && apiUrl.protocol === 'http:' && !isLoopback(apiUrl)) {
    line(io.stderr, `warning: the token travels unencrypted to ${apiUrl.host}; use https`);
  }
  return { apiUrl, token };
}

function apiAddress(text: string): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.username !== '' || url.password !== '') {
    throw new ModosuError('CONFIG_INVALID', 'MODOSU_API_URL is not an address like http://127.0.0.1:7400.', { hint: 'Correct MODOSU_API_URL, or unset it.' });
  }
  return url;
}

async function readEndpoints(io: CliIo): Promise<Endpoints | null> {
  const path = join(nonEmpty(io.env['MODOSU_STATE_DIR']) ?? DEFAULT_STATE_DIRECTORY, ENDPOINTS_FILE);
  const text = await readOrNull(io, path);
  if (text === null) return null;
  const parsed = endpointsSchema.safeParse(parseJson(text));
  if (parsed.success) return withoutTokenOfTheDead(io, parsed.data);
  line(io.stderr, `warning: ${path} is not readable as an endpoints file; it is ignored`);
  return null;
}

/** After a crash the file stays, and anybody may listen on that port meanwhile: the token goes only to a stack that lives. */
function withoutTokenOfTheDead(io: CliIo, endpoints: Endpoints): Endpoints {
  if (endpoints.supervisorPid === undefined || existsSync(`/proc/${endpoints.supervisorPid}`)) return endpoints;
  line(io.stderr, `warning: the \`modosu up\` that listened on ${endpoints.apiUrl} is gone (process ${endpoints.supervisorPid}); start it again`);
  return { ...endpoints, tokenFile: undefined };
}

async function findToken(io: CliIo, ownTokenFile: string | null): Promise<string | null> {
  const direct = nonEmpty(io.env['MODOSU_TOKEN']);
  if (direct !== undefined) return usableToken(direct, 'MODOSU_TOKEN');
  const named = nonEmpty(io.env['MODOSU_TOKEN_FILE']);
  if (named !== undefined) {
    const text = await readOrNull(io, named);
    if (text === null) {
      throw new ModosuError('CONFIG_INVALID', `The token file ${named} cannot be read.`, {
        hint: 'Correct MODOSU_TOKEN_FILE, or run the command as the user who may read it.',
      });
    }
    await warnWhenOthersMayRead(io, named);
    return usableToken(text.trim(), named);
  }
  if (ownTokenFile === null || !isAbsolute(ownTokenFile)) return null;
  const text = await readOrNull(io, ownTokenFile);
  if (text === null) {
    line(io.stderr, `warning: the token file ${ownTokenFile} cannot be read; run the command as root, or set MODOSU_TOKEN`);
    return null;
  }
  await warnWhenOthersMayRead(io, ownTokenFile);
  return usableToken(text.trim(), ownTokenFile);
}

function usableToken(token: string, source: string): string {
  if (/^[\x21-\x7e]{1,512}$/.test(token)) return token;
  throw new ModosuError('TOKEN_INVALID', `What ${source} holds is not a token.`);
}

async function warnWhenOthersMayRead(io: CliIo, path: string): Promise<void> {
  const mode = await stat(path).then(
    ({ mode: bits }) => bits,
    () => 0,
  );
  if ((mode & 0o077) !== 0) line(io.stderr, `warning: others may read the token file ${path}; chmod 600 it`);
}

async function readOrNull(io: CliIo, path: string): Promise<string | null> {
  try {
    return (await io.readFile(path)).toString('utf8');
  } catch {
    return null;
  }
}

const nonEmpty = (value: string | undefined): string | undefined => (value === undefined || value === '' ? undefined : value);

const isLoopback = ({ hostname }: URL): boolean => hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
