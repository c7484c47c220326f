import { applyDecorators, createParamDecorator, Injectable, SetMetadata, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ApiBearerAuth, ApiExtension } from '@nestjs/swagger';
import type { TokenRecord, TokenScope } from '../../catalog/catalog';
import { ModosuError } from '../../contracts/errors';
import { Dependencies, type ApiDependencies } from '../dependencies';
import type { ApiRequest } from './request';

const SCOPE = 'modosu:scope';

/** What a token needs for this route. `admin` includes `operate`, `operate` includes `change`, `change` includes `read`. A route without it asks for `admin`. */
export const NeedsScope = (scope: TokenScope): MethodDecorator & ClassDecorator =>
  applyDecorators(SetMetadata(SCOPE, scope), ApiBearerAuth('token'), ApiExtension('x-modosu-scope', scope));

/** For `/healthz` and `/readyz` only. */
export const NeedsNoToken = (): MethodDecorator & ClassDecorator => SetMetadata(SCOPE, 'none');

/** The token a request came with. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): TokenRecord => {
  const { token } = context.switchToHttp().getRequest<ApiRequest>();
  if (token === undefined) throw new ModosuError('TOKEN_MISSING', 'The request has no token.');
  return token;
});

const RANK: Readonly<Record<TokenScope, number>> = { read: 1, change: 2, operate: 3, admin: 4 };
const BEARER = /^Bearer +([\x21-\x7e]{1,512})$/i;

/** Every route asks for a token, from the first day. */
@Injectable()
export class TokenGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    @Dependencies() private readonly dependencies: ApiDependencies,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const needed = this.reflector.getAllAndOverride<TokenScope | 'none' | undefined>(SCOPE, [context.getHandler(), context.getClass()]) ?? 'admin';
    if (needed === 'none') return true;
    const request = context.switchToHttp().getRequest<ApiRequest>();
    const header = request.headers.authorization;
    if (header === undefined || header === '') throw new ModosuError('TOKEN_MISSING', 'The request has no token.');
    const secret = BEARER.exec(header)?.[1];
    if (secret === undefined) throw new ModosuError('TOKEN_INVALID', 'The Authorization header is not of the form "Bearer TOKEN".');
    const token = await this.dependencies.catalog.authenticate(secret);
    request.token = token;
    if (token.scopes.some((scope) => RANK[scope] >= RANK[needed])) return true;
    await this.recordRefusal(request, token, needed);
    throw new ModosuError('NOT_ALLOWED', `Token "${token.name}" lacks the scope "${needed}".`, { context: { scope: needed } });
  }

  /** Attempts go into the audit too; when that fails the answer is still no. */
  private async recordRefusal(request: ApiRequest, token: TokenRecord, needed: TokenScope): Promise<void> {
    if (request.method === 'GET' || request.method === 'HEAD') return;
    const details = { method: request.method, path: (request.originalUrl ?? '').slice(0, 300), neededScope: needed };
    try {
      await this.dependencies.catalog.audit({ actor: token.name, action: 'request.refused', details });
    } catch (error) {
      this.dependencies.log.warn({ requestId: request.requestId, error: String(error) }, 'a refused request could not be audited');
    }
  }
}
