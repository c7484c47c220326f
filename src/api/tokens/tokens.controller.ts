import { Body, Controller, Get, Header, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { TokenRecord } from '../../catalog/catalog';
import { pageOf, type PageOf } from '../../contracts/api/common';
import {
  createdTokenSchema,
  createTokenRequestSchema,
  tokenSchema,
  type CreatedToken,
  type CreateTokenRequest,
  type TokenView,
} from '../../contracts/api/token';
import { ModosuError } from '../../contracts/errors';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { IdPipe } from '../http/selectors';
import { RequestInvalidError } from '../http/request-invalid.error';
import { Caller, NeedsScope } from '../http/token.guard';

@ApiTags('tokens')
@Controller('v1/tokens')
@NeedsScope('admin')
export class TokensController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get()
  @ApiOperation({ operationId: 'listTokens', summary: 'All tokens without their secrets, newest first; also those whose time is over.' })
  @ApiResponse({ status: 200, description: 'The tokens.', standardSchema: pageOf(tokenSchema) })
  async list(): Promise<PageOf<TokenView>> {
    return { items: [...(await this.dependencies.catalog.listTokens())], nextCursor: null };
  }

  @Post()
  @HttpCode(201)
  @Header('Cache-Control', 'no-store')
  @ApiOperation({
    operationId: 'createToken',
    summary: 'Makes a token. Its secret is in this answer and nowhere else.',
    description: 'Each request makes another token: the secret of an earlier answer cannot be told again.',
  })
  @ApiResponse({ status: 201, description: 'The token and its secret.', standardSchema: createdTokenSchema })
  async create(@Body({ schema: createTokenRequestSchema }) body: CreateTokenRequest, @Caller() caller: TokenRecord): Promise<CreatedToken> {
    const expiresAt = body.expiresAt === null ? null : new Date(body.expiresAt);
    if (expiresAt !== null && expiresAt.getTime() <= Date.now()) {
      throw new RequestInvalidError('REQUEST_INVALID', [{ path: 'expiresAt', message: 'must be in the future' }]);
    }
    const { record: token, secret } = await this.dependencies.catalog.createToken(caller.name, body.name, body.scopes, expiresAt);
    return { token, secret };
  }

  @Post(':id/revoke')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'revokeToken',
    summary: 'Ends a token now. Asking twice changes nothing.',
    description: 'The token of this request cannot end itself: somebody has to be left who can undo a mistake.',
  })
  @ApiResponse({ status: 200, description: 'The token; it opens nothing any more.', standardSchema: tokenSchema })
  async revoke(@Param('id', new IdPipe('tok')) id: string, @Caller() caller: TokenRecord): Promise<TokenView> {
    if (id === caller.id) throw new ModosuError('TOKEN_IS_YOURS', 'A token cannot revoke itself.', { context: { tokenId: id } });
    return this.dependencies.catalog.revokeToken(caller.name, id);
  }
}
