import { Module } from '@nestjs/common';
import { RunEvents } from './run-events';
import { RunsController } from './runs.controller';

@Module({ controllers: [RunsController], providers: [RunEvents] })
export class RunsModule {}
