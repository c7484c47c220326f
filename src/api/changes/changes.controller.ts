import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { TokenRecord } from '../../catalog/catalog';
import {
  cancelChangeRequestSchema,
  changeQuerySchema,
  changeSchema,
  completeChangeRequestSchema,
  type CancelChangeRequest,
  type ChangeQuery,
  type CompleteChangeRequest,
} from '../../contracts/api/change';
import { pageOf, type PageOf } from '../../contracts/api/common';
import type { ChangeView } from '../../contracts/change';
import { serverSelector } from '../../contracts/selectors';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { IdPipe } from '../http/selectors';
import { Caller, NeedsScope } from '../http/token.guard';
import { completeChange } from './complete-change';

@ApiTags('changes')
@Controller('v1/changes')
export class ChangesController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get()
  @NeedsScope('read')
  @ApiOperation({ operationId: 'listChanges', summary: 'Configuration changes, newest first by when they were opened.' })
  @ApiResponse({ status: 200, description: 'One page.', standardSchema: pageOf(changeSchema) })
  async list(@Query({ schema: changeQuerySchema }) query: ChangeQuery): Promise<PageOf<ChangeView>> {
    const { catalog } = this.dependencies;
    const server = query.server === undefined ? undefined : await catalog.getServer(serverSelector(query.server));
    return catalog.listChanges({ serverId: server?.id, state: query.state }, { limit: query.limit, cursor: query.cursor ?? null });
  }

  @Get(':id')
  @NeedsScope('read')
  @ApiOperation({ operationId: 'showChange', summary: 'One configuration change: which generation contains it, and whether the server has it now.' })
  @ApiResponse({ status: 200, description: 'The change.', standardSchema: changeSchema })
  async show(@Param('id', new IdPipe('chg')) id: string): Promise<ChangeView> {
    return this.dependencies.catalog.getChange(id);
  }

  @Post(':id/complete')
  @HttpCode(200)
  @NeedsScope('change')
  @ApiOperation({
    operationId: 'completeChange',
    summary:
      'The change is complete: an image of the server is due, which becomes the next generation; where the policy images it offline, with its schedule (imageComes). The same again changes nothing.',
  })
  @ApiResponse({ status: 200, description: 'The change.', standardSchema: changeSchema })
  async complete(
    @Param('id', new IdPipe('chg')) id: string,
    @Body({ schema: completeChangeRequestSchema }) { madeAgain }: CompleteChangeRequest,
    @Caller() caller: TokenRecord,
  ): Promise<ChangeView> {
    return completeChange(this.dependencies, { actor: caller.name, id, madeAgain });
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @NeedsScope('change')
  @ApiOperation({ operationId: 'cancelChange', summary: 'The change was not carried out, or was taken back. The same again changes nothing.' })
  @ApiResponse({ status: 200, description: 'The change.', standardSchema: changeSchema })
  async cancel(
    @Param('id', new IdPipe('chg')) id: string,
    @Body({ schema: cancelChangeRequestSchema }) body: CancelChangeRequest,
    @Caller() caller: TokenRecord,
  ): Promise<ChangeView> {
    return this.dependencies.catalog.cancelChange({ actor: caller.name, id, reason: body.reason });
  }
}
