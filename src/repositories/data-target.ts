import type { ResticCodes, ResticTarget } from './restic/restic-command';

/** The restic repository of one server. */
export interface DataTarget extends ResticTarget {
  readonly serverId: string;
}

export const DATA_CODES: ResticCodes = {
  locked: 'DATA_REPOSITORY_LOCKED',
  'wrong-password': 'DATA_REPOSITORY_KEY_WRONG',
  'no-repository': 'DATA_REPOSITORY_MISSING',
  unreachable: 'DATA_REPOSITORY_UNREACHABLE',
  'no-space': 'NOT_ENOUGH_SPACE',
  damaged: 'RECOVERY_POINT_CORRUPT',
  'repository-damaged': 'DATA_REPOSITORY_FAILED',
  'removal-refused': 'DATA_REPOSITORY_FAILED',
  failed: 'DATA_REPOSITORY_FAILED',
};

/** What a target says of whose repository it is. */
export const dataTargetOf = (serverId: string): Pick<DataTarget, 'serverId' | 'name' | 'context' | 'codes'> => ({
  serverId,
  name: `the data repository of ${serverId}`,
  context: { serverId },
  codes: DATA_CODES,
});
