import { Module } from '@nestjs/common';
import { WayBacksController } from './way-backs.controller';

@Module({ controllers: [WayBacksController] })
export class WayBacksModule {}
