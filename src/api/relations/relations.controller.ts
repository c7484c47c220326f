import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { pageOf, serverQueryField, type PageOf } from '../../contracts/api/common';
import { relationSchema } from '../../contracts/api/relation';
import type { Relation } from '../../contracts/relation';
import { serverSelector } from '../../contracts/selectors';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { NeedsScope } from '../http/token.guard';

const querySchema = z.strictObject({ server: serverQueryField });

@ApiTags('relations')
@Controller('v1/relations')
@NeedsScope('read')
export class RelationsController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get()
  @ApiOperation({ operationId: 'listRelations', summary: 'All relations between servers, by name; with `server` those in which it is the server or a peer.' })
  @ApiResponse({ status: 200, description: 'The relations.', standardSchema: pageOf(relationSchema) })
  async list(@Query({ schema: querySchema }) query: z.output<typeof querySchema>): Promise<PageOf<Relation>> {
    const { catalog } = this.dependencies;
    const server = query.server === undefined ? undefined : (await catalog.getServer(serverSelector(query.server))).name;
    return { items: await catalog.listRelations({ server }), nextCursor: null };
  }
}
