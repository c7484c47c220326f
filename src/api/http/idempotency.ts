import { applyDecorators, createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import { IDEMPOTENCY_KEY_PATTERN } from '../../contracts/api/common';
import { canonicalJson } from '../../domain/canonical-json';
import { sha256Of } from '../../system/sha256';
import type { ApiRequest } from './request';
import { RequestInvalidError } from './request-invalid.error';

/** The request's Idempotency-Key, or null. */
export const IdempotencyKey = createParamDecorator((_: unknown, context: ExecutionContext): string | null => {
  const header = context.switchToHttp().getRequest<ApiRequest>().headers['idempotency-key'];
  if (header === undefined) return null;
  if (typeof header === 'string' && IDEMPOTENCY_KEY_PATTERN.test(header)) return header;
  throw new RequestInvalidError('REQUEST_INVALID', [{ path: 'Idempotency-Key', message: 'must be 1 to 255 printable ASCII characters' }]);
});

export const AcceptsIdempotencyKey = (): MethodDecorator =>
  applyDecorators(
    ApiHeader({
      name: 'Idempotency-Key',
      required: false,
      description: 'The same key with the same request gives the same run; with another request it is refused.',
      schema: { type: 'string', minLength: 1, maxLength: 255 },
    }),
  );

/** Identifies what was asked for: the same key may only come with the same digest. */
export const requestDigest = (method: string, path: string, body: unknown): string => sha256Of(`${method}\n${path}\n${canonicalJson(body)}`);

/** Set when an Idempotency-Key had started this before. */
export const REPLAYED_HEADER = 'Idempotency-Replayed';
