import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { pageOf, type PageOf } from '../../contracts/api/common';
import {
  generationDetailSchema,
  generationDiffQuerySchema,
  generationDiffSchema,
  generationQuerySchema,
  generationSchema,
  generationShowQuerySchema,
  type GenerationDiffQuery,
  type GenerationQuery,
  type GenerationShowQuery,
} from '../../contracts/api/generation';
import type { GenerationView, ShownGeneration, ShownGenerationDiff } from '../../contracts/generation';
import { generationSelector } from '../../contracts/selectors';
import { definitionWords } from '../../domain/generations/definition-diff';
import { diffGenerations } from '../../domain/generations/generation-diff';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { ServerSelectorPipe } from '../http/selectors';
import { NeedsScope } from '../http/token.guard';
import { Definitions } from './definitions';

@ApiTags('generations')
@Controller('v1/servers')
@NeedsScope('read')
export class GenerationsController {
  private readonly definitions: Definitions;

  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {
    this.definitions = new Definitions(dependencies);
  }

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
  @ApiOperation({
    operationId: 'showGeneration',
    summary: 'One generation: its changes, what its guest agent told of the server, and the definition that lies in the repository.',
  })
  @ApiResponse({ status: 200, description: 'The generation.', standardSchema: generationDetailSchema })
  async show(
    @Param('server', new ServerSelectorPipe()) selector: string,
    @Param('generation') generation: string,
    @Query({ schema: generationShowQuerySchema }) query: GenerationShowQuery,
  ): Promise<ShownGeneration> {
    const { catalog } = this.dependencies;
    const server = await catalog.getServer(selector);
    const shown = await catalog.getGeneration(server.id, generationSelector(generation));
    return { ...shown, definition: await this.definitions.show(server, shown, query.definition === 'whole') };
  }

  @Get(':server/generations/:generation/diff')
  @ApiOperation({
    operationId: 'diffGenerations',
    summary: 'In what two generations differ, from the earlier to the later: changes, packages, services, accounts and more, and the definition.',
  })
  @ApiResponse({ status: 200, description: 'The difference.', standardSchema: generationDiffSchema })
  async diff(
    @Param('server', new ServerSelectorPipe()) selector: string,
    @Param('generation') generation: string,
    @Query({ schema: generationDiffQuerySchema }) query: GenerationDiffQuery,
  ): Promise<ShownGenerationDiff> {
    const { catalog } = this.dependencies;
    const server = await catalog.getServer(selector);
    const diff = diffGenerations(await catalog.getGeneration(server.id, generationSelector(generation)), await catalog.getGeneration(server.id, query.with));
    const definition = await this.definitions.compare(server, diff.before, diff.after);
    return { ...diff, definition, summary: [...diff.summary, ...definitionWords(definition)] };
  }
}
