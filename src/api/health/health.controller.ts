import { Controller, Get, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { ServerResponse } from 'node:http';
import { healthSchema, readinessSchema, type Health, type Readiness } from '../../contracts/api/health';
import { ModosuError, toModosuError } from '../../contracts/errors';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { withinDeadline } from '../http/deadline';
import { Shared } from '../http/shared';
import { NeedsNoToken } from '../http/token.guard';

/** How long a part may take to answer before it counts as missing. */
const PATIENCE_MS = 3000;

@ApiTags('health')
@Controller()
@NeedsNoToken()
export class HealthController {
  private readonly readiness: Shared<Readiness>;

  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {
    this.readiness = new Shared(() => this.look());
  }

  @Get('healthz')
  @ApiOperation({ operationId: 'health', summary: 'The process answers. Says nothing about PostgreSQL or Temporal.' })
  @ApiResponse({ status: 200, description: 'It does.', standardSchema: healthSchema })
  health(): Health {
    return { status: 'ok', version: this.dependencies.config.version };
  }

  @Get('readyz')
  @ApiOperation({ operationId: 'readiness', summary: 'Whether a new run can be accepted: PostgreSQL answers with a schema that fits, and Temporal answers.' })
  @ApiResponse({ status: 200, description: 'It can.', standardSchema: readinessSchema })
  @ApiResponse({ status: 503, description: 'It cannot; the part that failed has a code for `modosu explain CODE`.', standardSchema: readinessSchema })
  async ready(@Res({ passthrough: true }) response: ServerResponse): Promise<Readiness> {
    const readiness = await this.readiness.now();
    if (readiness.status !== 'ready') response.statusCode = 503;
    return readiness;
  }

  private async look(): Promise<Readiness> {
    const { catalog, runStarter } = this.dependencies;
    const parts = await Promise.all([
      this.part('catalogue', () => catalog.check(), () => new ModosuError('DATABASE_UNAVAILABLE', 'PostgreSQL does not answer in time.')),
      this.part('temporal', () => runStarter.check(), () => new ModosuError('TEMPORAL_UNAVAILABLE', 'Temporal does not answer in time.')),
    ]);
    return { status: parts.every(({ status }) => status === 'ok') ? 'ready' : 'not-ready', parts };
  }

  private async part(name: Readiness['parts'][number]['name'], check: () => Promise<void>, late: () => ModosuError): Promise<Readiness['parts'][number]> {
    try {
      await withinDeadline(check(), PATIENCE_MS, late);
      return { name, status: 'ok', code: null };
    } catch (thrown) {
      const { code, message } = toModosuError(thrown);
      this.dependencies.log.warn({ part: name, code, error: message }, 'not ready');
      return { name, status: 'failed', code };
    }
  }
}
