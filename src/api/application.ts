import 'reflect-metadata';
import { Module, type DynamicModule, type INestApplication, type LoggerService } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import helmet from 'helmet';
import { AlertsModule } from './alerts/alerts.module';
import { AuditModule } from './audit/audit.module';
import { ChangesModule } from './changes/changes.module';
import { DependenciesModule, type ApiDependencies, type ApiLog } from './dependencies';
import { ApiDocument } from './documents/api-document';
import { DocumentsModule } from './documents/documents.module';
import { EstateModule } from './estate/estate.module';
import { HealthModule } from './health/health.module';
import { ProblemFilter } from './http/problem.filter';
import { requestLog } from './http/request';
import { TokenGuard } from './http/token.guard';
import { validationPipe } from './http/validation.pipe';
import { MetricsModule } from './metrics/metrics.module';
import { GenerationsModule } from './generations/generations.module';
import { RestoreSetsModule } from './restore-sets/restore-sets.module';
import { GroupsModule } from './groups/groups.module';
import { PoliciesModule } from './policies/policies.module';
import { RecoveryPointsModule } from './recovery-points/recovery-points.module';
import { RelationsModule } from './relations/relations.module';
import { RestorePlansModule } from './restore-plans/restore-plans.module';
import { ProfilesModule } from './profiles/profiles.module';
import { RunsModule } from './runs/runs.module';
import { ServersModule } from './servers/servers.module';
import { StatusModule } from './status/status.module';
import { TokensModule } from './tokens/tokens.module';
import { OffsiteModule } from './offsite/offsite.module';
import { VerificationsModule } from './verifications/verifications.module';
import { WayBacksModule } from './way-backs/way-backs.module';

export type { ApiConfig, ApiDependencies, ApiLog } from './dependencies';

/** An estate of ten thousand servers fits. */
const BODY_LIMIT = '4mb';

@Module({})
class ApiModule {
  static with(dependencies: ApiDependencies): DynamicModule {
    return {
      module: ApiModule,
      imports: [
        DependenciesModule.with(dependencies),
        ServersModule,
        EstateModule,
        PoliciesModule,
        GroupsModule,
        RestoreSetsModule,
        RelationsModule,
        ProfilesModule,
        ChangesModule,
        GenerationsModule,
        StatusModule,
        AlertsModule,
        VerificationsModule,
        OffsiteModule,
        RecoveryPointsModule,
        RestorePlansModule,
        RunsModule,
        WayBacksModule,
        AuditModule,
        TokensModule,
        HealthModule,
        MetricsModule,
        DocumentsModule,
      ],
      providers: [{ provide: APP_GUARD, useClass: TokenGuard }],
    };
  }
}

/**
 * The HTTP API, ready to `listen`. Opens no connection of its own; `close()` ends event streams and waits for open requests, but leaves catalogue and
 * run starter to the caller.
 */
export async function createApiApplication(dependencies: ApiDependencies): Promise<INestApplication> {
  const application = await NestFactory.create<NestExpressApplication>(ApiModule.with(dependencies), {
    logger: nestLog(dependencies.log),
    abortOnError: false,
    bodyParser: false,
  });
  application.set('etag', false);
  application.set('query parser', 'simple');
  application.use(requestLog(dependencies.log));
  application.use(helmet());
  application.useBodyParser('json', { limit: BODY_LIMIT, strict: true });
  application.useGlobalPipes(validationPipe());
  application.useGlobalFilters(new ProblemFilter(dependencies.log));
  application.get(ApiDocument, { strict: false }).describe(application);
  return application;
}

/** Nest's own messages: only what went wrong is of interest. */
const nestLog = (log: ApiLog): LoggerService => ({
  log: () => undefined,
  warn: (message: unknown) => log.warn({ part: 'nest' }, String(message)),
  error: (message: unknown) => log.error({ part: 'nest' }, String(message)),
  fatal: (message: unknown) => log.error({ part: 'nest' }, String(message)),
});
