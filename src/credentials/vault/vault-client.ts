import type { VaultDeclaration } from '../../contracts/credential';
import { ModosuError } from '../../contracts/errors';
import { parseJson } from '../../contracts/json';
import { errorCode } from '../../system/files';
import { readPrivateFile } from '../private-file';
import { AnswerTooLarge, httpsGet, type HttpAnswer } from '../../system/https-get';
import { refusalIn } from './vault-answers';

const MAX_ANSWER_BYTES = 1024 * 1024;
/** As Vault gives them: no line, no space. Also keeps a file that is none from being sent anywhere. */
const TOKEN = /^[\x21-\x7e]{1,8192}$/;
/** Codes of Node for a certificate that is not believed: nothing that passes by itself. */
const CERTIFICATE = /CERT|SIGNATURE|ALTNAME|ISSUER/;

/** 200 or 404, and what came with it: a 404 of Vault may say more than that nothing is there. */
export interface VaultAnswer {
  readonly status: 200 | 404;
  readonly body: unknown;
}

/** Asks Vault's HTTP API, with a token that is read anew for each question. Errors as `SecretStore` says; none holds a word of the answer. */
export class VaultClient {
  private readonly root: string;

  /** @param declaration known to be good: `openSecretStore` */
  constructor(private readonly declaration: VaultDeclaration) {
    const engine = declaration.mount.split('/').map(encodeURIComponent).join('/');
    this.root = `${declaration.address.replace(/\/$/, '')}/v1/${engine}`;
  }

  /** @param path below the engine, with every part encoded already */
  async get(path: string, signal: AbortSignal): Promise<VaultAnswer> {
    const { status, body } = await this.ask(new URL(`${this.root}/${path}`), await this.headers(), signal);
    const parsed = parseJson(body.toString('utf8'));
    const refusal = refusalIn(parsed);
    if (refusal === 'sealed') throw this.failure('SECRET_STORE_SEALED', 'is sealed');
    if (refusal === 'no-engine') throw this.failure('SECRET_STORE_INVALID', `has no engine KV version 2 at "${this.declaration.mount}"`);
    if (refusal === 'upgrading') throw this.failure('SECRET_STORE_UNREACHABLE', 'is converting its engine to KV version 2');
    if (status === 200 || status === 404) {
      if (parsed === undefined) throw this.failure('SECRET_STORE_INVALID', 'answers something else than JSON', 'Declare the address of Vault itself.');
      return { status, body: parsed };
    }
    throw this.refused(status);
  }

  private async headers(): Promise<Record<string, string>> {
    const { name, tokenFile, namespace } = this.declaration;
    const token = (await readPrivateFile(tokenFile, { what: 'token file', store: name, readers: 'group' })).trim();
    if (!TOKEN.test(token)) {
      throw new ModosuError('SECRET_STORE_INVALID', `The token file ${tokenFile} of the secret store "${name}" holds no token.`, {
        hint: 'Write the token into it, on one line and nothing else.',
        context: { store: name, path: tokenFile },
      });
    }
    // The second one is asked for by Vault Agent where it listens in Vault's place.
    return { 'x-vault-token': token, 'x-vault-request': 'true', ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }) };
  }

  private async ask(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<HttpAnswer> {
    const { caFile, name } = this.declaration;
    const ca = caFile === undefined ? null : await readPrivateFile(caFile, { what: 'file of authorities', store: name, readers: 'public' });
    try {
      return await httpsGet(url, { headers, ca, maxBytes: MAX_ANSWER_BYTES, signal });
    } catch (thrown) {
      if (signal.aborted) throw this.failure('SECRET_STORE_UNREACHABLE', 'did not answer in time');
      if (thrown instanceof AnswerTooLarge) throw this.failure('SECRET_STORE_INVALID', 'answers with more than 1 MiB', 'Declare the address of Vault itself.');
      const code = errorCode(thrown) ?? 'no connection';
      if (CERTIFICATE.test(code)) {
        const hint = 'Declare the authority of its certificate (caFile), and the name that stands in the certificate; renew it when it has expired.';
        throw this.failure('SECRET_STORE_INVALID', `shows a certificate that is not believed (${code})`, hint);
      }
      // Not the error itself: the text of some of them quotes the answer.
      throw this.failure('SECRET_STORE_UNREACHABLE', `cannot be reached (${code})`);
    }
  }

  private refused(status: number): ModosuError {
    if (status === 401 || status === 403) return this.failure('SECRET_STORE_DENIED', 'does not let this token read it');
    if (status >= 300 && status < 400) {
      const hint = 'It is a standby, or has moved: declare an address that leads to the active node. The token is sent nowhere else.';
      return this.failure('SECRET_STORE_INVALID', `sends to another address (${status}), which was not followed`, hint);
    }
    // Too many requests; a standby that is behind; a load balancer without a node; Vault's own failures.
    if (status === 412 || status === 429 || status >= 472) return this.failure('SECRET_STORE_UNREACHABLE', `answers ${status}`);
    return this.failure('SECRET_STORE_INVALID', `answers ${status}`, "Vault's log says why; compare address, mount and namespace of the declaration.");
  }

  failure(
    code: 'SECRET_STORE_UNREACHABLE' | 'SECRET_STORE_SEALED' | 'SECRET_STORE_DENIED' | 'SECRET_STORE_INVALID',
    problem: string,
    hint?: string,
  ): ModosuError {
    const { name, address } = this.declaration;
    return new ModosuError(code, `The secret store "${name}" at ${address} ${problem}.`, { hint, context: { store: name, address } });
  }
}
