import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { pageOf, type PageOf } from '../../contracts/api/common';
import { wayBackQuerySchema, wayBackSchema, type WayBackQuery } from '../../contracts/api/way-back';
import { serverSelector } from '../../contracts/selectors';
import type { WayBackView } from '../../contracts/way-back';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { NeedsScope } from '../http/token.guard';
import { pageOfWayBacks } from './page';

@ApiTags('ways back')
@Controller('v1/way-backs')
@NeedsScope('read')
export class WayBacksController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get()
  @ApiOperation({ operationId: 'listWayBacks', summary: 'What restores and undos have kept of the servers they replaced, newest first.' })
  @ApiResponse({ status: 200, description: 'One page.', standardSchema: pageOf(wayBackSchema) })
  async list(@Query({ schema: wayBackQuerySchema }) query: WayBackQuery): Promise<PageOf<WayBackView>> {
    const { catalog } = this.dependencies;
    const server = query.server === undefined ? undefined : await catalog.getServer(serverSelector(query.server));
    const all = await catalog.listWayBacks({ serverId: server?.id, state: query.state });
    return pageOfWayBacks(all, query.limit, query.cursor ?? null);
  }
}
