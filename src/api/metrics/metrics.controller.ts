import { Controller, Get, Header } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { RepositoryDeclaration } from '../../contracts/estate';
import { withinDeadline } from '../../contracts/deadline';
import { ModosuError, toModosuError } from '../../contracts/errors';
import { Dependencies, PART_TIMEOUT_MS, type ApiDependencies } from '../dependencies';
import { Shared } from '../http/shared';
import { NeedsScope } from '../http/token.guard';
import { exposition, EXPOSITION_MEDIA_TYPE } from './exposition';
import { estateStatus } from '../status/estate-status';
import { metricFamilies, type RepositoryFigures } from './families';

/** Counting costs more with every year of history: several monitoring systems share one count. */
const KEEP_MS = 5000;

@ApiTags('health')
@Controller('metrics')
@NeedsScope('read')
export class MetricsController {
  private readonly text: Shared<string>;
  /** A repository that hangs is asked once, not once for each time somebody looks. */
  private readonly repositories = new Map<string, Shared<number>>();

  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {
    this.text = new Shared(() => this.measure(), KEEP_MS);
  }

  @Get()
  @Header('Content-Type', EXPOSITION_MEDIA_TYPE)
  @ApiOperation({ operationId: 'metrics', summary: 'Metrics for Prometheus. Names hold; at most one count in five seconds.' })
  @ApiProduces('text/plain')
  @ApiResponse({ status: 200, description: 'Text exposition format 0.0.4.', content: { 'text/plain': { schema: { type: 'string' } } } })
  async metrics(): Promise<string> {
    return this.text.now();
  }

  private async measure(): Promise<string> {
    const { catalog, config } = this.dependencies;
    const [figures, servers, declarations, status, copies] = await Promise.all([
      catalog.figures(),
      catalog.listServers(),
      catalog.listRepositories(),
      estateStatus(catalog, new Date()),
      catalog.catalogCopies(),
    ]);
    const repositories = await Promise.all(declarations.map((declaration) => this.look(declaration)));
    const startedAtSeconds = Math.round(Date.now() / 1000 - process.uptime());
    return exposition(
      metricFamilies({
        figures,
        servers,
        repositories,
        status,
        copies,
        process: { version: config.version, startedAtSeconds, residentBytes: process.memoryUsage.rss() },
      }),
    );
  }

  private async look(declaration: RepositoryDeclaration): Promise<RepositoryFigures> {
    const { name, path } = declaration;
    const key = `${name}\n${path}`;
    const shared = this.repositories.get(key) ?? new Shared(async () => (await this.dependencies.repository(declaration).check()).freeBytes);
    this.repositories.set(key, shared);
    try {
      const late = (): ModosuError => new ModosuError('REPOSITORY_UNREACHABLE', `The repository ${name} does not answer in time.`);
      return { name, freeBytes: await withinDeadline(shared.now(), this.dependencies.config.partTimeoutMs ?? PART_TIMEOUT_MS, late) };
    } catch (thrown) {
      const { code, message } = toModosuError(thrown);
      this.dependencies.log.warn({ repository: name, code, error: message }, 'a repository cannot be measured');
      return { name, freeBytes: null };
    }
  }
}
