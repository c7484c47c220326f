import { InitialCatalog1763900000000 } from './1763900000000-initial-catalog';
import { WayBack1764000000000 } from './1764000000000-way-back';
import { DiskRoles1764050000000 } from './1764050000000-disk-roles';
import { Data1764100000000 } from './1764100000000-data';
import { GuestSsh1764200000000 } from './1764200000000-guest-ssh';
import { Policies1764400000000 } from './1764400000000-policies';
import { RepositoryRoom1764500000000 } from './1764500000000-repository-room';
import { Alerts1764600000000 } from './1764600000000-alerts';
import { EndedRuns1764700000000 } from './1764700000000-ended-runs';
import { Verification1764800000000 } from './1764800000000-verification';
import { TokenRevocation1764300000000 } from './1764300000000-token-revocation';

/** In the order in which they are run. A migration that has been released is never edited; add a new one. */
export const MIGRATIONS = [
  InitialCatalog1763900000000,
  WayBack1764000000000,
  DiskRoles1764050000000,
  Data1764100000000,
  GuestSsh1764200000000,
  TokenRevocation1764300000000,
  Policies1764400000000,
  RepositoryRoom1764500000000,
  Alerts1764600000000,
  EndedRuns1764700000000,
  Verification1764800000000,
];
