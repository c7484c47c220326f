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
import { BootProofs1764900000000 } from './1764900000000-boot-proofs';
import { Retention1765000000000 } from './1765000000000-retention';
import { CatalogCopies1765500000000 } from './1765500000000-catalog-copies';
import { CatalogCopiesOffsite1765600000000 } from './1765600000000-catalog-copies-offsite';
import { Incrementals1765100000000 } from './1765100000000-incrementals';
import { Decommissioning1765200000000 } from './1765200000000-decommissioning';
import { BackupGroups1765300000000 } from './1765300000000-backup-groups';
import { Offsite1765400000000 } from './1765400000000-offsite';
import { Changes1765700000000 } from './1765700000000-changes';
import { Markers1765750000000 } from './1765750000000-markers';
import { Credentials1765800000000 } from './1765800000000-credentials';
import { NightlyJudgements1765850000000 } from './1765850000000-nightly-judgements';
import { RestoreSets1765900000000 } from './1765900000000-restore-sets';
import { DataCredentials1765950000000 } from './1765950000000-data-credentials';
import { LineIndex1766010000000 } from './1766010000000-line-index';
import { ForgottenReadings1766020000000 } from './1766020000000-forgotten-readings';
import { RetriedAttempts1766030000000 } from './1766030000000-retried-attempts';
import { RetriedPlans1766040000000 } from './1766040000000-retried-plans';
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
  BootProofs1764900000000,
  Retention1765000000000,
  Incrementals1765100000000,
  Decommissioning1765200000000,
  BackupGroups1765300000000,
  Offsite1765400000000,
  CatalogCopies1765500000000,
  CatalogCopiesOffsite1765600000000,
  Changes1765700000000,
  Markers1765750000000,
  Credentials1765800000000,
  NightlyJudgements1765850000000,
  RestoreSets1765900000000,
  DataCredentials1765950000000,
  LineIndex1766010000000,
  ForgottenReadings1766020000000,
  RetriedAttempts1766030000000,
  RetriedPlans1766040000000,
];
