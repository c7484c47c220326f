import type { PipeTransform } from '@nestjs/common';
import { idSelector, serverSelector, type SelectablePrefix } from '../../contracts/selectors';

/** For the server in an address. */
export class ServerSelectorPipe implements PipeTransform<string, string> {
  transform(value: string): string {
    return serverSelector(value);
  }
}

/** For an id in an address. */
export class IdPipe implements PipeTransform<string, string> {
  constructor(private readonly prefix: SelectablePrefix) {}

  transform(value: string): string {
    return idSelector(this.prefix, value);
  }
}
