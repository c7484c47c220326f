import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { pageOf, type PageOf } from '../../contracts/api/common';
import {
  generationDetailSchema,
  generationDiffQuerySchema,
  generationDiffSchema,
  generationQuerySchema,
  generationSchema,
  type GenerationDiffQuery,
  type GenerationQuery,
} from '../../contracts/api/generation';
import type { GenerationDetail, GenerationDiff, GenerationView } from '../../contracts/generation';
import { generationSelector } from '../../contracts/selectors';
import { diffGenerations } from '../../domain/generations/generation-diff';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { ServerSelectorPipe } from '../http/selectors';
import { NeedsScope } from '../http/token.guard';

@ApiTags('generations')
@Controller('v1/servers')
@NeedsScope('read')
export class GenerationsController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get(':server/generations')
  @ApiOperation({
    operationId: 'listGenerations',
    summary: 'Images of a server by their number, newest first, with the configuration changes that each contains.',
  })
  @ApiResponse({ status: 200, description: 'One page.', standardSchema: pageOf(generationSchema) })
  async list(
    @Param('server', new ServerSelectorPipe()) selector: string,
    @Query({ schema: generationQuerySchema }) query: GenerationQuery,
  ): Promise<PageOf<GenerationView>> {
    const { catalog } = this.dependencies;
    const { id } = await catalog.getServer(selector);
    return catalog.listGenerations(id, { limit: query.limit, cursor: query.cursor ?? null });
  }

  @Get(':server/generations/:generation')
  @ApiOperation({ operationId: 'showGeneration', summary: 'One generation: its changes, and what its guest agent told of the server.' })
  @ApiResponse({ status: 200, description: 'The generation.', standardSchema: generationDetailSchema })
  async show(@Param('server', new ServerSelectorPipe()) selector: string, @Param('generation') generation: string): Promise<GenerationDetail> {
    const { catalog } = this.dependencies;
    const { id } = await catalog.getServer(selector);
    return catalog.getGeneration(id, generationSelector(generation));
  }

  @Get(':server/generations/:generation/diff')
  @ApiOperation({
    operationId: 'diffGenerations',
    summary: 'In what two generations differ, from the earlier to the later: changes, packages, services, accounts and more.',
  })
  @ApiResponse({ status: 200, description: 'The difference.', standardSchema: generationDiffSchema })
  async diff(
    @Param('server', new ServerSelectorPipe()) selector: string,
    @Param('generation') generation: string,
    @Query({ schema: generationDiffQuerySchema }) query: GenerationDiffQuery,
  ): Promise<GenerationDiff> {
    const { catalog } = this.dependencies;
    const { id } = await catalog.getServer(selector);
    return diffGenerations(await catalog.getGeneration(id, generationSelector(generation)), await catalog.getGeneration(id, query.with));
  }
}
