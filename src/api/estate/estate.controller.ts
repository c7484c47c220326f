import type { ServerResponse } from 'node:http';
import { Body, Controller, Headers, HttpCode, Post, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { TokenRecord } from '../../catalog/catalog';
import { estateChangesSchema, estateRequestSchema, type EstateChangesView, type EstateRequest } from '../../contracts/api/estate-request';
import { PRUNES } from '../../contracts/prune';
import { AcceptsIdempotencyKey, IdempotencyKey } from '../http/idempotency';
import { Caller, NeedsScope } from '../http/token.guard';
import { EstateService } from './estate.service';

@ApiTags('estate')
@Controller('v1/estate')
@NeedsScope('admin')
export class EstateController {
  constructor(private readonly estate: EstateService) {}

  @Post('diff')
  @HttpCode(200)
  @ApiOperation({ operationId: 'diffEstate', summary: 'What applying this estate would change. Changes nothing. The ETag stands for the present estate.' })
  @ApiResponse({ status: 200, description: 'The difference.', standardSchema: estateChangesSchema })
  async diff(@Body({ schema: estateRequestSchema }) body: EstateRequest, @Res({ passthrough: true }) response: ServerResponse): Promise<EstateChangesView> {
    const { changes, etag } = await this.estate.diff(body.estate, body.prune);
    response.setHeader('ETag', etag);
    return { changes };
  }

  @Post()
  @HttpCode(200)
  @AcceptsIdempotencyKey()
  @ApiHeader({ name: 'If-Match', required: false, description: 'ETag of the difference that was looked at.' })
  @ApiOperation({
    operationId: 'applyEstate',
    summary: `Applies the estate; applying it again changes nothing. With prune it deletes ${PRUNES}.`,
  })
  @ApiResponse({ status: 200, description: 'What was changed.', standardSchema: estateChangesSchema })
  async apply(
    @Body({ schema: estateRequestSchema }) body: EstateRequest,
    @Headers('if-match') ifMatch: string | undefined,
    @IdempotencyKey() _idempotencyKey: string | null,
    @Caller() caller: TokenRecord,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<EstateChangesView> {
    const { changes, etag } = await this.estate.apply(caller.name, body.estate, body.prune, ifMatch ?? null);
    response.setHeader('ETag', etag);
    return { changes };
  }
}
