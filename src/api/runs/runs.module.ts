import { Module } from '@nestjs/common';
import { RunEvents } from './run-events';
import { RunDecisionsController } from './run-decisions.controller';
import { RunsController } from './runs.controller';

@Module({ controllers: [RunsController, RunDecisionsController], providers: [RunEvents] })
export class RunsModule {}
