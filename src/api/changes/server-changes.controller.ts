import type { ServerResponse } from 'node:http';
import { Body, Controller, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { TokenRecord } from '../../catalog/catalog';
import { changeSchema, openChangeRequestSchema, type OpenChangeRequestBody } from '../../contracts/api/change';
import type { ChangeView } from '../../contracts/change';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { requireMayApply } from './allowed';
import { AcceptsIdempotencyKey, IdempotencyKey, REPLAYED_HEADER, requestDigest } from '../http/idempotency';
import { ServerSelectorPipe } from '../http/selectors';
import { Caller, NeedsScope } from '../http/token.guard';

@ApiTags('changes')
@Controller('v1/servers')
export class ServerChangesController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Post(':server/changes')
  @HttpCode(201)
  @NeedsScope('change')
  @AcceptsIdempotencyKey()
  @ApiOperation({
    operationId: 'openChange',
    summary: 'Registers a configuration change of the server that is being made. The same external id again gives the same change.',
  })
  @ApiResponse({ status: 201, description: 'The change; Location names it.', standardSchema: changeSchema })
  async open(
    @Param('server', new ServerSelectorPipe()) selector: string,
    @Body({ schema: openChangeRequestSchema }) body: OpenChangeRequestBody,
    @IdempotencyKey() idempotencyKey: string | null,
    @Caller() caller: TokenRecord,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<ChangeView> {
    requireMayApply(caller, body.applyAgain);
    const { catalog } = this.dependencies;
    const { id: serverId } = await catalog.getServer(selector);
    const digest = requestDigest('POST', `/v1/servers/${serverId}/changes`, body);
    const { change, replayed } = await catalog.openChange({ actor: caller.name, idempotencyKey, requestDigest: digest, serverId, ...body });
    response.setHeader('Location', `/v1/changes/${change.id}`);
    if (replayed) response.setHeader(REPLAYED_HEADER, 'true');
    return change;
  }
}
