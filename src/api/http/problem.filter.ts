import type { ServerResponse } from 'node:http';
import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { PROBLEM_MEDIA_TYPE, problemType, type Problem } from '../../contracts/api/common';
import { isModosuError, ModosuError } from '../../contracts/errors';
import type { ApiLog } from '../dependencies';
import type { ApiRequest } from './request';
import { RequestInvalidError } from './request-invalid.error';
import { STATUS_OF_CODE, STATUS_OF_KIND } from './status';

interface Verdict {
  readonly error: ModosuError;
  readonly status: number;
}

const RETRY_AFTER_SECONDS = 5;

/** Every error of the API leaves it here, as an RFC 9457 problem. Faults of our own never show their insides. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: ApiLog) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<ApiRequest>();
    const response = host.switchToHttp().getResponse<ServerResponse>();
    const { error, status } = judge(thrown);
    if (status >= 500) {
      const fields = { requestId: request.requestId, code: error.code, error: describe(thrown) };
      if (status === 500) this.log.error(fields, 'request failed by a fault');
      else this.log.warn(fields, 'request failed');
    }
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    const body = JSON.stringify(problemOf(error, status, request.requestId ?? ''));
    response.statusCode = status;
    response.setHeader('Content-Type', PROBLEM_MEDIA_TYPE);
    if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer realm="modosu"');
    if (status === 503) response.setHeader('Retry-After', String(RETRY_AFTER_SECONDS));
    response.end(body);
  }
}

function judge(thrown: unknown): Verdict {
  if (isModosuError(thrown) && thrown.code !== 'INTERNAL') {
    return { error: thrown, status: STATUS_OF_CODE[thrown.code] ?? STATUS_OF_KIND[thrown.kind] };
  }
  const refusal = refusalByHttp(thrown);
  if (refusal !== null) return refusal;
  return { error: new ModosuError('INTERNAL', 'The request failed because of a fault in Modosu.'), status: STATUS_OF_KIND.internal };
}

/** What the HTTP layer itself refuses: unknown routes, bodies that are too large or no JSON, undecodable paths. They keep their status. */
function refusalByHttp(thrown: unknown): Verdict | null {
  const status = httpStatusOf(thrown);
  if (status === null || status < 400 || status > 499) return null;
  if (status === 404) return { status, error: new ModosuError('ROUTE_NOT_FOUND', 'There is nothing at this address.') };
  const sentence = HTTP_REFUSALS[status] ?? 'The request cannot be read.';
  return { status, error: new ModosuError('REQUEST_INVALID', sentence, { hint: 'Correct the request and send it again.' }) };
}

const HTTP_REFUSALS: Readonly<Record<number, string>> = {
  400: 'The request cannot be read: its body is not JSON, or its address is not encoded correctly.',
  413: 'The body of the request is too large.',
  415: 'The body of the request has a content type or encoding that is not supported; send application/json in UTF-8.',
};

function httpStatusOf(thrown: unknown): number | null {
  if (thrown instanceof HttpException) return thrown.getStatus();
  if (typeof thrown !== 'object' || thrown === null) return null;
  if (thrown instanceof URIError) return 400;
  const status: unknown = 'status' in thrown ? thrown.status : undefined;
  return typeof status === 'number' && 'expose' in thrown ? status : null;
}

function problemOf(error: ModosuError, status: number, requestId: string): Problem {
  const { runId, ...context } = error.context;
  const words = error.code.toLowerCase().split('_');
  const title = words.join(' ');
  return {
    type: problemType(error.code),
    title: title.charAt(0).toUpperCase() + title.slice(1),
    status,
    detail: error.message,
    code: error.code,
    hint: error.hint,
    requestId,
    ...(typeof runId === 'string' ? { runId } : {}),
    ...(error instanceof RequestInvalidError ? { errors: [...error.errors] } : {}),
    ...(Object.keys(context).length > 0 ? { context: context as Problem['context'] } : {}),
  };
}

const describe = (thrown: unknown): string => (thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown));
