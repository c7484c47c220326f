import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { healthSchema, type Health } from '../../contracts/api/health';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { NeedsNoToken } from '../http/token.guard';

@ApiTags('health')
@Controller('healthz')
@NeedsNoToken()
export class HealthController {
  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  @Get()
  @ApiOperation({ operationId: 'health', summary: 'The process answers. Says nothing about PostgreSQL or Temporal.' })
  @ApiResponse({ status: 200, description: 'It does.', standardSchema: healthSchema })
  health(): Health {
    return { status: 'ok', version: this.dependencies.config.version };
  }
}
