import { Module } from '@nestjs/common';
import { RecoveryPointsController } from './recovery-points.controller';

@Module({ controllers: [RecoveryPointsController] })
export class RecoveryPointsModule {}
