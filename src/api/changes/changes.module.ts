import { Module } from '@nestjs/common';
import { ChangeEventsController } from './change-events.controller';
import { ChangesController } from './changes.controller';
import { ServerChangesController } from './server-changes.controller';

@Module({ controllers: [ChangesController, ServerChangesController, ChangeEventsController] })
export class ChangesModule {}
