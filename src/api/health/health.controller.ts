import { Controller, Get, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { ServerResponse } from 'node:http';
import { healthSchema, readinessSchema, type Health, type Readiness } from '../../contracts/api/health';
import { withinDeadline } from '../../contracts/deadline';
import { ModosuError, toModosuError } from '../../contracts/errors';
import { Dependencies, PART_TIMEOUT_MS, type ApiDependencies } from '../dependencies';
import { Shared } from '../http/shared';
import { NeedsNoToken } from '../http/token.guard';

type PartName = Readiness['parts'][number]['name'];

@ApiTags('health')
@Controller()
@NeedsNoToken()
export class HealthController {
  /** A part that hangs is asked once, not once for each time somebody looks: each of its questions holds a connection. */
  private readonly parts: readonly { readonly name: PartName; readonly check: Shared<void>; readonly late: () => ModosuError }[];

  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {
    const { catalog, runStarter } = dependencies;
    this.parts = [
      {
        name: 'catalogue',
        check: new Shared(() => catalog.check()),
        late: () => new ModosuError('CATALOG_UNAVAILABLE', 'PostgreSQL does not answer in time.'),
      },
      {
        name: 'temporal',
        check: new Shared(() => runStarter.check()),
        late: () => new ModosuError('TEMPORAL_UNAVAILABLE', 'Temporal does not answer in time.'),
      },
    ];
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
    const parts = await Promise.all(this.parts.map((part) => this.look(part)));
    const status = parts.every((part) => part.status === 'ok') ? 'ready' : 'not-ready';
    if (status !== 'ready') response.statusCode = 503;
    return { status, parts };
  }

  private async look({ name, check, late }: (typeof this.parts)[number]): Promise<Readiness['parts'][number]> {
    const { config, log } = this.dependencies;
    try {
      await withinDeadline(check.now(), config.partTimeoutMs ?? PART_TIMEOUT_MS, late);
      return { name, status: 'ok', code: null };
    } catch (thrown) {
      const { code, message } = toModosuError(thrown);
      log.warn({ part: name, code, error: message }, 'not ready');
      return { name, status: 'failed', code };
    }
  }
}
