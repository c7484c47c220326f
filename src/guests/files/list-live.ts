import { ModosuError } from '../../contracts/errors';
import type { LiveListing } from '../../domain/file-comparison';
import type { GuestAgent } from '../guest-agent';
import type { GuestWork } from './guest-process';

export interface ListRequest {
  /** Absolute paths, without `.`, `..` and doubled slashes; none lies inside another. */
  readonly paths: readonly [string, ...string[]];
  /** More output is not read, and the listing says `truncated`. Default 12 MiB, about 100,000 names. */
  readonly maxBytes?: number;
}

/** What stands at, below and above these paths now. Reads only. Needs GNU find: `GUEST_PROGRAM_MISSING`. */
export function listLive(_agent: GuestAgent, _request: ListRequest, _work: GuestWork): Promise<LiveListing> {
  throw new ModosuError('INTERNAL', 'not yet');
}
