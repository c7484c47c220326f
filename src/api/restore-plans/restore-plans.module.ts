import { Module } from '@nestjs/common';
import { RestorePlansController } from './restore-plans.controller';

@Module({ controllers: [RestorePlansController] })
export class RestorePlansModule {}
