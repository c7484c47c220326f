import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { ModosuError } from '../../contracts/errors';
import { redact } from '../../contracts/redact';
import { quoted } from '../../contracts/text';
import { errorCode, errorMessage } from '../../system/files';

export interface Login {
  readonly name: string;
  readonly password: string;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const ANSWER_TIMEOUT_MS = 10_000;
const MOST_BODY_BYTES = 16 * 1024 * 1024;
/** Asks for lists with sizes; every server of restic's REST protocol since 2018 knows it. */
const LIST_FORMAT = 'application/vnd.x.restic.rest.v2';
const FILE_ID = /^[0-9a-f]{64}$/;

/**
 * The few questions Modosu asks the repository's server itself: they are answered within milliseconds, where restic would try again for a quarter of an hour.
 * restic's REST protocol, nothing else.
 *
 * All methods throw `DATA_REPOSITORY_UNREACHABLE` when the server does not answer (the context names Node's code as `problem`), or answers with an error of
 * its own.
 */
export class RestServer {
  /**
   * @param url such as `https://backup.internal:8000`, without login and without a slash at its end
   * @param caCertificateFile PEM of a certificate to trust; null: those of the system
   */
  constructor(
    readonly url: string,
    private readonly caCertificateFile: string | null,
  ) {}

  /** Value of RESTIC_REPOSITORY: holds the password. */
  static repositoryUrl(url: string, { name, password }: Login): string {
    return `rest:${url.replace('://', `://${encodeURIComponent(name)}:${encodeURIComponent(password)}@`)}/${name}/`;
  }

  /** Whether a login is accepted, and whether it has a repository. Null: without a login. */
  async look(login: Login | null, path: string): Promise<'repository' | 'no-repository' | 'login-refused'> {
    const { status } = await this.ask('HEAD', `/${path}/config`, login);
    if (status === 200) return 'repository';
    if (status === 404) return 'no-repository';
    if (status === 401 || status === 403) return 'login-refused';
    throw this.unexpected(status);
  }

  /** Ids of the files of one type. */
  async list(login: Login, type: 'locks' | 'keys'): Promise<readonly string[]> {
    const { status, body } = await this.ask('GET', `/${login.name}/${type}/`, login, { accept: LIST_FORMAT });
    if (status === 404) return []; // rclone makes the directory with the first file
    if (status !== 200) throw this.unexpected(status);
    let value: unknown;
    try {
      value = JSON.parse(body.toString('utf8'));
    } catch {
      value = null;
    }
    if (!Array.isArray(value)) {
      throw new ModosuError('DATA_REPOSITORY_UNREACHABLE', `What answers at ${this.url} does not speak restic's REST protocol.`, {
        context: { address: this.url },
      });
    }
    return value
      .map((entry: unknown) => (typeof entry === 'object' && entry !== null && 'name' in entry ? String(entry.name) : ''))
      .filter((name) => FILE_ID.test(name));
  }

  /** The one thing an append-only server lets go. One that is gone already is fine. */
  async deleteLock(login: Login, id: string): Promise<void> {
    if (!FILE_ID.test(id)) throw new ModosuError('PATH_NOT_ALLOWED', `${quoted(id)} is not the id of a lock`);
    const { status } = await this.ask('DELETE', `/${login.name}/locks/${id}`, login);
    if (status !== 200 && status !== 204 && status !== 404) throw this.unexpected(status);
  }

  private ask(method: 'HEAD' | 'GET' | 'DELETE', path: string, login: Login | null, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const secrets = login === null ? [] : [login.password];
    const failed = (error: unknown): ModosuError =>
      new ModosuError(
        'DATA_REPOSITORY_UNREACHABLE',
        `The server of the data repository at ${this.url} does not answer: ${redact(errorMessage(error), secrets)}.`,
        {
          context: { address: this.url, problem: errorCode(error) ?? null },
        },
      );
    return new Promise<Answer>((resolve, reject) => {
      const target = new URL(`${this.url}${path}`);
      const ca = this.caCertificateFile === null ? undefined : readFileSync(this.caCertificateFile);
      const options = {
        method,
        headers: { ...headers, ...(login === null ? {} : { authorization: `Basic ${Buffer.from(`${login.name}:${login.password}`).toString('base64')}` }) },
        // A connection of its own: one that is kept may be of a server that is gone.
        agent: false,
        signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      } as const;
      const request = target.protocol === 'https:' ? httpsRequest(target, { ...options, ...(ca === undefined ? {} : { ca }) }) : httpRequest(target, options);
      request.once('error', (error) => reject(failed(error)));
      request.once('response', (response) => {
        const pieces: Buffer[] = [];
        let bytes = 0;
        response.on('data', (piece: Buffer) => {
          bytes += piece.length;
          if (bytes > MOST_BODY_BYTES) request.destroy(new Error(`its answer has more than ${MOST_BODY_BYTES} bytes`));
          else pieces.push(piece);
        });
        response.once('error', (error) => reject(failed(error)));
        response.once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces) }));
      });
      request.end();
    }).catch((error: unknown) => {
      throw error instanceof ModosuError ? error : failed(error);
    });
  }

  private unexpected(status: number): ModosuError {
    return new ModosuError('DATA_REPOSITORY_UNREACHABLE', `The server of the data repository at ${this.url} answers with HTTP status ${status}.`, {
      hint: 'Its log says why: a full disk is the usual cause. For the server that `modosu up` runs it is logs/data.log in the state directory.',
      context: { address: this.url, status },
    });
  }
}
