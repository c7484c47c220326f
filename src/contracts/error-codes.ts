/**
 * Every error Modosu can answer with: its kind, whether trying again later may help, and the hint that is shown
 * when the place that throws has nothing more exact to say. What each means stands in `error-meanings.ts`.
 *
 * A code is stable: people script against it and `modosu explain CODE` prints this table. Add codes, never
 * reuse one for another meaning.
 */

/** What sort of failure it is. Decides the HTTP status and the CLI's exit code, nothing else. */
export type ErrorKind =
  | 'invalid' // the request or a file is wrong; sending it again changes nothing
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'conflict' // something else holds or has changed what the request needs
  | 'precondition' // the world is not in the state the operation needs
  | 'capacity' // not enough room
  | 'corrupt' // stored bytes are not what was written
  | 'unavailable' // a part Modosu needs does not answer
  | 'timeout'
  | 'cancelled'
  | 'internal';

/** `never`: the same attempt fails again. `later`: the cause may pass by itself; activities retry it. */
export type RetryAdvice = 'never' | 'later';

interface ErrorCodeEntry {
  readonly kind: ErrorKind;
  readonly retry: RetryAdvice;
  readonly hint: string;
}

const entry = (kind: ErrorKind, retry: RetryAdvice, hint: string): ErrorCodeEntry => ({ kind, retry, hint });

export const ERROR_CODES = {
  // requests and files
  REQUEST_INVALID: entry('invalid', 'never', 'Correct the fields named in the detail and send the request again.'),
  ESTATE_INVALID: entry('invalid', 'never', 'Correct the estate file at the lines named; nothing was changed.'),
  SCHEDULE_INVALID: entry(
    'invalid',
    'never',
    'Correct the schedule in the estate file, or use `every: day`, `every: week` or `every: month` with `at: "02:30"`.',
  ),
  PROFILE_INVALID: entry('invalid', 'never', 'Correct the profile at the lines named; docs/PROFILES.md says what each field means.'),
  POLICY_INVALID: entry('invalid', 'never', 'Correct the policy in the estate file.'),
  RELATION_INVALID: entry(
    'invalid',
    'never',
    'Correct the relations at the fields named; `modosu profile show NAME` says which parameters a profile takes. Nothing was changed.',
  ),
  RELATION_CYCLE: entry(
    'invalid',
    'never',
    'Declare one of the dependencies with `strength: soft`, or leave out what is not needed to start: in a circle nobody could be restored first. Nothing was changed.',
  ),
  TIME_ZONE_UNKNOWN: entry('invalid', 'never', 'Use a name of the IANA time zone database, such as Europe/Berlin or UTC.'),
  RETENTION_KEEPS_NOTHING: entry('invalid', 'never', 'Give at least one rule of the retention a number above 0, such as `last: 3`.'),
  NAME_INVALID: entry('invalid', 'never', 'Use 1 to 64 letters, digits, ".", "_" or "-", beginning with a letter or digit.'),
  CONFIG_INVALID: entry('invalid', 'never', 'Correct the environment variables named; `modosu doctor` checks them.'),
  IDEMPOTENCY_KEY_REUSED: entry('invalid', 'never', 'Use a new Idempotency-Key for a different request.'),
  CONFIRMATION_MISMATCH: entry('invalid', 'never', 'Type the name of the server exactly: --confirm NAME.'),
  PATH_NOT_ALLOWED: entry('invalid', 'never', 'Use an absolute path inside the directory named, without "..".'),
  BACKUP_SET_ONLINE_ONLY: entry(
    'invalid',
    'never',
    'Leave the mode out, or say online. To image servers while they are stopped, take them one by one: `modosu backup image NAME --mode offline --reason TEXT`.',
  ),
  USAGE: entry('invalid', 'never', 'See `modosu --help`.'),

  // who asks
  TOKEN_MISSING: entry('unauthenticated', 'never', 'Send "Authorization: Bearer TOKEN", or set MODOSU_TOKEN or MODOSU_TOKEN_FILE for the CLI.'),
  TOKEN_INVALID: entry('unauthenticated', 'never', 'The token is unknown or expired; ask an administrator for a new one.'),
  NOT_ALLOWED: entry('forbidden', 'never', 'This token lacks the scope named; use another token.'),

  // things that are not there
  SERVER_NOT_FOUND: entry('not-found', 'never', 'List the servers with `modosu server list`; add one with `modosu apply`.'),
  RECOVERY_POINT_NOT_FOUND: entry('not-found', 'never', 'List them with `modosu recovery-point list --server NAME`.'),
  DISK_NOT_FOUND: entry('not-found', 'never', 'Name disks by their targets, as `modosu server show NAME` lists them.'),
  PLAN_NOT_FOUND: entry('not-found', 'never', 'Make a plan with `modosu restore plan NAME --scenario server`.'),
  TOKEN_NOT_FOUND: entry('not-found', 'never', 'List the tokens with `modosu token list`.'),
  RUN_NOT_FOUND: entry('not-found', 'never', 'List the runs with `modosu run list`.'),
  ROUTE_NOT_FOUND: entry('not-found', 'never', 'See the API document at /v1/openapi.json.'),
  NO_RECOVERY_POINT: entry('not-found', 'never', 'Take one with `modosu backup image NAME --mode online --reason TEXT`.'),
  NO_COMPATIBLE_RECOVERY_POINT: entry(
    'not-found',
    'never',
    'The message says what stands in the way. Take its remedy and plan again, restore the server together with its peers from one backup set, or plan without --find-compatible (findCompatible).',
  ),
  POLICY_NOT_FOUND: entry('not-found', 'never', 'Declare the policy in the estate file and apply it; `modosu policy list` shows all.'),
  GROUP_NOT_FOUND: entry('not-found', 'never', 'Declare the group in the estate file and apply it; `modosu group list` shows all.'),
  PROFILE_NOT_FOUND: entry('not-found', 'never', 'List them with `modosu profile list`; your own lie in the directory that MODOSU_PROFILES_DIR names.'),
  BACKUP_SET_NOT_FOUND: entry('not-found', 'never', 'List them with `modosu backup-set list`.'),
  RESTORE_SET_NOT_FOUND: entry('not-found', 'never', 'List them with `modosu restore-set list`.'),
  GENERATION_NOT_FOUND: entry('not-found', 'never', 'List them with `modosu generation list SERVER`.'),
  CHANGE_NOT_FOUND: entry('not-found', 'never', 'List them with `modosu change list`.'),
  HYPERVISOR_NOT_CONFIGURED: entry('not-found', 'never', 'Declare the hypervisor in the estate file and apply it.'),
  REPOSITORY_NOT_CONFIGURED: entry('not-found', 'never', 'Declare the repository in the estate file and apply it.'),
  DOMAIN_NOT_FOUND: entry(
    'not-found',
    'never',
    'Compare with `virsh list --all` on the hypervisor. Where the domain is called otherwise than the server, say so in the estate file: `domain: NAME`.',
  ),

  // conflicts
  CHANGE_CLOSED: entry('conflict', 'never', 'See `modosu change show CHANGE`. What was changed since is a change of its own: `modosu change open`.'),
  CHANGE_INTERRUPTED: entry(
    'conflict',
    'never',
    'It stays open. Make it again from the beginning, then `modosu change complete CHANGE --made-again`; or `modosu change cancel CHANGE --reason TEXT`.',
  ),
  CHANGE_EXISTS: entry('conflict', 'never', 'Give the new change another external id, or send exactly what was sent before.'),
  SERVER_GOES_BACK: entry(
    'conflict',
    'later',
    'Wait until the run has ended, then look whether the change is still in the server, and complete it then. Otherwise `modosu change cancel CHANGE --reason TEXT`.',
  ),
  IMAGE_NOT_AWAITED: entry(
    'conflict',
    'never',
    'See `modosu change show CHANGE`; an image can be taken by hand: `modosu backup image NAME --mode MODE --reason TEXT`.',
  ),
  SERVER_BUSY: entry('conflict', 'never', 'Wait for the run that holds the server (`modosu run watch ID`) or cancel it.'),
  NOTHING_TO_JUDGE: entry(
    'conflict',
    'never',
    'Judged are servers in relations of the type replicates-with or member-of, or that go back in one with a profile: declare one under "relations" in the estate file; `modosu relation list` shows all.',
  ),
  SERVER_DECOMMISSIONED: entry(
    'conflict',
    'never',
    'Nothing backs up a decommissioned server; it can still be restored. Take it back into service with `modosu server recommission NAME --reason TEXT`.',
  ),
  PLAN_STALE: entry('conflict', 'never', 'The world has changed since the plan was made; make a new plan and read it.'),
  PLAN_ALREADY_USED: entry('conflict', 'never', 'A plan is carried out once; make a new plan.'),
  PLAN_NOT_READY: entry('conflict', 'later', 'The plan is still being made; ask again in a moment.'),
  PLAN_FAILED: entry('conflict', 'never', 'The plan could not be made; see its error, mend the cause and plan again.'),
  PLAN_BLOCKED: entry('conflict', 'never', 'The plan has blocking findings; remove their causes and plan again.'),
  PLAN_IN_SET: entry('conflict', 'never', 'Carry the whole set out (`modosu restore run-set`), or plan a restore of this server alone.'),
  NO_AGREEING_POINTS: entry(
    'conflict',
    'never',
    'Take the servers as a set from now on (`modosu backup group`); now restore the one whose data counts, and make the others anew from it by hand.',
  ),
  PLAN_NOT_ACKNOWLEDGED: entry(
    'conflict',
    'never',
    'Make it known and plan again; or find out by hand what is asked, and carry the plan out with --acknowledge-unknown (acknowledgeUnknown).',
  ),
  PEERS_REJECT: entry(
    'precondition',
    'never',
    'The findings say which peer, why, and what would make it good. Before go-live everything was put back; after it the server stays as it is: do what the remedy says, or undo the run.',
  ),
  RUN_FINISHED: entry('conflict', 'never', 'The run has already ended; see `modosu run show ID`.'),
  VERIFICATION_NOT_FOUND: entry('not-found', 'never', 'List them with `modosu verification list --server NAME`.'),
  VERIFICATION_FINISHED: entry('conflict', 'never', 'It has ended: see `modosu verification show ID` for what it found.'),
  RECOVERY_POINT_HELD: entry('conflict', 'never', 'Somebody else holds it: agree with them before it is released, or hold it when it is.'),
  ESTATE_CONFLICT: entry('conflict', 'never', 'The estate changed while it was being applied; look at the difference again with --dry-run.'),
  FENCED_OFF: entry('conflict', 'never', 'A newer run holds this server; this one must not write any more. See `modosu run list --server NAME`.'),
  IF_MATCH_FAILED: entry('conflict', 'never', 'What you looked at has changed since; read it again, then repeat the request.'),

  // the server and its hypervisor
  BACKUP_SET_INCOMPLETE: entry(
    'precondition',
    'never',
    'Nothing of this server was published. See which server was in the way with `modosu backup-set show ID`, mend that, and take the set again.',
  ),
  SERVER_GONE: entry('precondition', 'never', 'The hypervisor no longer knows this server; restore it from a recovery point.'),
  SERVER_HAS_NO_DISKS: entry('precondition', 'never', 'Only servers with at least one file-backed disk can have an image recovery point.'),
  SERVER_TRANSIENT: entry('precondition', 'never', 'The domain has no stored definition; make it persistent with `virsh define`.'),
  DISK_FILE_MISSING: entry('precondition', 'never', 'Put the disk file back, or correct the domain definition.'),
  DISK_FILE_UNREADABLE: entry(
    'unavailable',
    'later',
    "The storage under the disk named does not answer as it should: look at it and at the log of the host's kernel, then try again.",
  ),
  DISK_NOT_SUPPORTED: entry('precondition', 'never', 'Only qcow2 and raw disks in files are supported so far.'),
  DISK_NOT_KEEPABLE: entry('precondition', 'never', 'Plan again without --keep-disk for the disk named: it comes back from the recovery point then.'),
  OLD_DISK_NOT_ATTACHABLE: entry('precondition', 'never', 'Plan again without --attach-old-disk for the disk named; its old volume is kept in any case.'),
  OLD_DISK_IN_USE: entry('precondition', 'never', 'Unmount it in the guest, then confirm again; or restart the server: it is not attached after that.'),
  DISK_PASSTHROUGH: entry('precondition', 'never', 'A device of the host cannot be imaged; remove it from the domain, or protect its data with a data set.'),
  DEVICE_PASSTHROUGH: entry('precondition', 'never', 'Host devices tie the server to this host; remove them from the domain first.'),
  DEFINITION_CHANGED: entry('conflict', 'never', 'Find out who edits this server, then take the backup again.'),
  SERVER_PAUSED: entry('precondition', 'never', 'Find out who paused the server and why (`virsh domstate --reason`), resume it, then try again.'),
  STOP_TIMED_OUT: entry(
    'precondition',
    'never',
    'Look at the console of the server, or raise stopTimeoutSeconds in the estate file. libvirt may not reach its guest agent again until the guest has stopped.',
  ),
  AGENT_ABSENT: entry('precondition', 'never', 'Install qemu-guest-agent in the guest and give the domain the channel org.qemu.guest_agent.0.'),
  AGENT_SILENT: entry('timeout', 'later', 'libvirt may say "running" while the OS has not started; look at the console of the server.'),
  AGENT_COMMAND_FAILED: entry('precondition', 'never', "See the guest agent's message in the detail."),
  START_FAILED: entry('precondition', 'never', 'The detail says why, in the words of libvirt where it has refused.'),
  SWAP_REFUSED: entry('precondition', 'never', 'libvirt refused the new definition; its message is in the detail. The old one is still in place.'),
  HYPERVISOR_UNREACHABLE: entry('unavailable', 'later', 'Start libvirtd on the hypervisor (`systemctl start libvirtd`), then `modosu doctor`.'),
  HYPERVISOR_COMMAND_FAILED: entry('precondition', 'never', "The detail says why, in libvirt's own words where it was asked."),
  HYPERVISOR_COMMAND_TIMED_OUT: entry('timeout', 'later', 'libvirt did not answer in time; check libvirtd and its log.'),
  SERVER_NOT_STOPPED: entry('precondition', 'never', 'Stop the server first; its disks must not be in use.'),
  SERVER_HAS_SAVED_STATE: entry('precondition', 'never', 'Start the server, or drop its saved memory with `virsh managedsave-remove DOMAIN`.'),
  SERVER_DEFINITION_DIFFERS: entry(
    'precondition',
    'never',
    'The running server uses other disk files than its stored definition; make both agree, or restart the server.',
  ),
  DISK_SHARED: entry('precondition', 'never', 'A disk that several servers write to has no state of its own; remove it from the definition or unshare it.'),

  QUIESCE_FAILED: entry(
    'precondition',
    'never',
    'Look at the guest agent and its freeze hooks, or go on without: --allow-crash-consistent labels the recovery point "crash".',
  ),
  SERVER_FROZEN: entry('precondition', 'later', 'The file systems of the guest may still be frozen: look at it, then thaw them with `virsh domfsthaw DOMAIN`.'),
  GUEST_COMMAND_FORBIDDEN: entry(
    'precondition',
    'never',
    'The guest agent forbids this command (on RHEL and its family see BLACKLIST_RPC in /etc/sysconfig/qemu-ga); allow it, or leave out what needs it. Programs for data and health checks can go over SSH: declare "ssh" of the server.',
  ),
  GUEST_SSH_REFUSED: entry(
    'precondition',
    'never',
    'Compare the host key declared under "ssh" of the server with the guest\'s own, and put Modosu\'s public key (`modosu doctor` shows it) into authorized_keys there. An image from before that does not have it.',
  ),
  HEALTH_CHECK_FAILED: entry(
    'precondition',
    'never',
    "The check's own words are in the detail. A restore puts the old server back before anything holds: to look at the restored one, leave the check out of the declaration for the next try and use --hold. Or mend the declaration of the check.",
  ),
  GUEST_TOO_SLOW: entry(
    'precondition',
    'never',
    "The guest's writes became slower than maxGuestLatencyMs allows; lower the rate limit, or take the backup at a quieter time.",
  ),
  BACKUP_JOB_LOST: entry(
    'precondition',
    'never',
    "The backup job ended without a word, most likely with the server's QEMU process. Look at the server, then take the backup again.",
  ),
  BACKUP_JOB_FAILED: entry('precondition', 'never', "QEMU's own message is in the detail. Nothing was published; take the backup again."),
  CHECKPOINT_LOST: entry('precondition', 'never', 'Take the backup again; nothing is to be mended: the next image is whole, and others follow it.'),
  BACKUP_JOB_FOREIGN: entry(
    'conflict',
    'never',
    'Another program is taking a backup of this server (`virsh domjobinfo DOMAIN`); wait for it, or end it with `virsh domjobabort DOMAIN`.',
  ),
  SERVER_PAUSED_BY_STORAGE: entry('precondition', 'never', 'The server was paused because its own storage failed; mend it, then `virsh resume DOMAIN`.'),
  REPOSITORY_NOT_TRAVERSABLE: entry(
    'precondition',
    'never',
    'QEMU runs as another user and must be able to pass through the directory named: chmod o+x it. Nobody can list it with that.',
  ),

  // the way back
  WAY_BACK_NOT_FOUND: entry('not-found', 'never', 'Only a run that has replaced the volumes of a server has a way back; see `modosu run list --server NAME`.'),
  WAY_BACK_CLOSED: entry('conflict', 'never', 'The old volumes are no longer kept; restore from a recovery point instead.'),
  WAY_BACK_NOT_NEWEST: entry('conflict', 'never', 'Undo the newer run first.'),
  WAY_BACK_INCOMPLETE: entry('precondition', 'never', 'A kept volume is missing or was exchanged; nothing was changed. Restore from a recovery point instead.'),
  WAY_BACK_EMPTY: entry('conflict', 'never', 'The hypervisor did not know the server before the restore: there is nothing to go back to.'),
  RUN_NOT_LIVE: entry('conflict', 'never', 'Let it go live first (`modosu run go-live ID --reason TEXT`), or undo it (`modosu run undo ID --reason TEXT`).'),
  RUN_NOT_WAITING: entry('conflict', 'never', 'Only a run that waits before go-live can be told to; see `modosu run show ID`.'),

  // images and repositories
  IMAGE_HEADER_REFUSED: entry('precondition', 'never', "The disk image's header is unusual or hostile; nothing was opened. See the detail for the field."),
  COPY_FAILED: entry('precondition', 'later', 'The copy ended with the message in the detail.'),
  COPY_STALLED: entry('timeout', 'later', 'No byte was copied for the time named; check the storage under source and target.'),
  REPOSITORY_UNREACHABLE: entry('unavailable', 'later', 'Mount or create the repository directory named, then `modosu doctor`.'),
  REPOSITORY_FORMAT_UNKNOWN: entry('precondition', 'never', 'The directory is not an image repository of a version this program reads.'),
  RECOVERY_POINT_CORRUPT: entry('corrupt', 'never', 'Stored bytes differ from their checksums; choose another recovery point. Nothing was changed.'),
  RECOVERY_POINT_INCOMPLETE: entry('corrupt', 'never', 'A file of the recovery point is missing; choose another recovery point. Nothing was changed.'),
  DEFINITION_NOT_SHOWN: entry(
    'precondition',
    'never',
    'The definition is kept as it was taken: domain.xml of the recovery point. It may hold passwords. A restore that uses it says what is wrong with it.',
  ),
  RECOVERY_POINT_NEEDED: entry(
    'conflict',
    'never',
    'Another recovery point in the repository builds on it, which the catalogue may not know: look with `grep parentId servers/*/*/manifest.json` in the repository.',
  ),
  RECOVERY_POINT_NOT_USABLE: entry('precondition', 'never', 'Choose a recovery point in state "usable".'),
  NOT_ENOUGH_MEMORY: entry('capacity', 'later', 'Free the amount named on the hypervisor, or let the image be booted when it has less to do.'),
  NOT_ENOUGH_SPACE: entry('capacity', 'never', 'Free the amount named, or use another directory.'),
  VOLUME_EXISTS: entry('conflict', 'never', 'A file stands where the new volume would be written; look at it and move it away.'),
  TARGET_UNREACHABLE: entry(
    'unavailable',
    'later',
    'The directory named cannot be written: where its storage is away, mount it; or mend its rights. Then try again.',
  ),
  VOLUME_LEFT_BEHIND: entry('precondition', 'never', 'The file named belongs to a run that has ended; delete it when its directory is back.'),

  // the restore system itself
  CATALOG_COPY_FAILED: entry(
    'precondition',
    'later',
    "restic's own words about the copies of the catalogue are in the detail; recovery points are not touched.",
  ),
  CATALOG_NOT_EMPTY: entry(
    'conflict',
    'never',
    'A copy is read back into an empty catalogue only, so before an estate is applied. To compare this one with the repositories: `modosu catalog compare`.',
  ),
  CATALOG_REBUILT: entry('precondition', 'never', 'Look at the server: `modosu server show NAME`. Then take a backup, or plan a restore.'),
  CATALOG_COPY_NOT_FOUND: entry(
    'not-found',
    'never',
    'List the copies with `modosu catalog copies --repository DIRECTORY`, or --offsite LOCATION; without any, rebuild from the recovery points alone: --without-copy.',
  ),
  CATALOG_COPY_DAMAGED: entry(
    'corrupt',
    'never',
    'Take another copy (--copy ID), or one that lies elsewhere: `modosu catalog copies --repository DIRECTORY` lists them.',
  ),
  CATALOG_COPY_UNREADABLE: entry('precondition', 'never', 'Rebuild with the version of Modosu that has made the copy, then upgrade.'),
  RECOVERY_KEY_WRONG: entry(
    'precondition',
    'never',
    'Use the recovery key that was written down when the repository was first used: --key-file FILE. Without it, rebuild from the recovery points alone: --without-copy.',
  ),

  // data
  DATA_SET_NOT_FOUND: entry(
    'not-found',
    'never',
    'Declare it under "dataSets" of the server in the estate file; `modosu server show NAME` lists what is declared.',
  ),
  DATA_REPOSITORY_UNREACHABLE: entry(
    'unavailable',
    'later',
    'The server of the data repository does not answer; `modosu doctor` checks it, its log lies under the state directory.',
  ),
  DATA_REPOSITORY_MISSING: entry(
    'precondition',
    'never',
    'The server has no data repository yet: take a data backup first (`modosu backup data NAME --reason TEXT`).',
  ),
  DATA_REPOSITORY_LOCKED: entry(
    'conflict',
    'later',
    'Another program works in the data repository of this server (prune or check); wait for it. Locks whose owner is gone are removed by themselves.',
  ),
  DATA_REPOSITORY_KEY_WRONG: entry(
    'precondition',
    'never',
    'The password in the state directory (secrets/data) does not open the repository: put the right one back from its copy.',
  ),
  DATA_REPOSITORY_FAILED: entry('precondition', 'later', "restic's own words about the data repository are in the detail; nothing was changed."),
  RESTIC_MISSING: entry('precondition', 'never', 'Install restic (0.14 or newer) in the guest.'),
  RESTIC_UNSUPPORTED: entry('precondition', 'never', 'Install restic 0.14 or newer in the guest.'),
  DATA_BACKUP_FAILED: entry('precondition', 'later', "restic's own words are in the detail. Nothing was published."),
  DATA_RESTORE_FAILED: entry('precondition', 'never', 'The message of the program in the guest is in the detail.'),
  DATA_PATH_MISSING: entry(
    'precondition',
    'never',
    'A declared path is not there, in the guest or in the recovery point; correct the data set. Nothing was published.',
  ),
  DATA_INCOMPLETE: entry(
    'precondition',
    'never',
    'Some files could not be read, whatever was tried; exclude them in the data set or stop what writes them with its "before" program. Nothing was published.',
  ),
  DATA_HOOK_FAILED: entry('precondition', 'never', 'The words of the declared program are in the detail; nothing was read before it ended well.'),
  GUEST_DISK_FULL: entry('capacity', 'never', 'Free the room named in the guest, or set another spoolDirectory; what was half-written has been removed.'),
  GUEST_PROGRAM_LOST: entry(
    'precondition',
    'later',
    "Something in the guest has ended the program, most often its kernel when memory is short; the guest's log says more. Nothing was changed.",
  ),
  GUEST_PROGRAM_MISSING: entry('precondition', 'never', 'Install the program named in the guest.'),
  FACTS_NOT_COLLECTED: entry(
    'precondition',
    'later',
    'The detail says what was in the way. The recovery point is whole; only this part of the server cannot be compared with its other generations.',
  ),
  DUMP_FAILED: entry('precondition', 'never', "The database's own words are in the detail. Nothing was published."),
  DUMP_INCOMPLETE: entry(
    'corrupt',
    'never',
    'In a backup nothing was published: take it again. In a restore nothing was changed: choose another recovery point (--recovery-point ID).',
  ),
  DATABASE_SERVER_UNREACHABLE: entry(
    'unavailable',
    'later',
    'The database server in the guest does not accept connections; look at it and at user, osUser, socketDirectory and port of the data set.',
  ),
  DATABASE_NOT_FOUND: entry('not-found', 'never', 'Correct "databases" of the data set, or the name that was asked for.'),
  DATABASE_IN_USE: entry(
    'precondition',
    'never',
    'Prepared transactions (or sessions that cannot be ended) hold the database; finish them (COMMIT PREPARED, ROLLBACK PREPARED) and start again. The database is as it was.',
  ),
  DATABASE_ROLE_MISSING: entry('precondition', 'never', 'Make the roles named, then make a new plan.'),
  DATABASE_EXTENSION_MISSING: entry('precondition', 'never', 'Install the packages of the extensions named in the guest, then make a new plan.'),
  DATABASE_TABLESPACE_MISSING: entry('precondition', 'never', 'Make the tablespaces named, then make a new plan.'),
  DATABASE_ENGINE_TOO_OLD: entry(
    'precondition',
    'never',
    'A dump cannot be loaded into an older major version: upgrade the database server, or choose an older recovery point.',
  ),
  DATA_NOT_IN_RECOVERY_POINT: entry('not-found', 'never', 'Choose what the recovery point holds, or another recovery point.'),
  DATABASE_STRUCTURE_DIFFERS: entry(
    'precondition',
    'never',
    'The columns have changed since: restore it beside (without --replace), compare, and copy what is needed.',
  ),
  DATABASE_ROWS_CONFLICT: entry(
    'precondition',
    'never',
    'The restored rows contradict rows that are there now; everything is as it was. Restore beside (without --replace) and compare.',
  ),

  // copies elsewhere
  OFFSITE_NOT_CONFIGURED: entry(
    'not-found',
    'never',
    'Declare the off-site repository in the estate file (`offsite:`) and apply it; `modosu offsite list` shows them.',
  ),
  OFFSITE_COPY_NOT_FOUND: entry('not-found', 'never', 'See which copies there are: `modosu recovery-point show ID`, `modosu offsite list`.'),
  OFFSITE_ALREADY_COPIED: entry('conflict', 'never', 'Nothing has to be done: `modosu recovery-point show ID` names its copies.'),
  TRANSFER_NOT_FOUND: entry('not-found', 'never', 'List them with `modosu offsite transfers`.'),
  TRANSFER_FINISHED: entry('conflict', 'never', 'It has ended: see `modosu offsite show ID` for what came of it.'),
  OFFSITE_LOCATION_INVALID: entry(
    'invalid',
    'never',
    'Use an absolute directory, sftp:user@host:/path, s3:https://host/bucket/path, rest:https://host/path or rclone:remote:path, without a password: credentials stand in a file among the secrets (docs/OFFSITE.md).',
  ),
  OFFSITE_OFFLINE: entry(
    'unavailable',
    'later',
    'The medium is not connected. That is expected of a removable one: connect and mount it when copies are due, or when one is to be restored.',
  ),
  OFFSITE_UNREACHABLE: entry(
    'unavailable',
    'later',
    'Mount or connect the storage of the off-site repository, and look at its network and its server; `modosu doctor` checks it.',
  ),
  OFFSITE_FOREIGN: entry(
    'precondition',
    'never',
    'Something else stands where the off-site repository was or would be: connect the right medium, or correct the location. Nothing was changed.',
  ),
  OFFSITE_MISSING: entry(
    'precondition',
    'never',
    'Connect the storage of the off-site repository: the worker makes the repository there by itself. `modosu offsite list` shows whether it is there.',
  ),
  OFFSITE_CREDENTIALS_WRONG: entry(
    'precondition',
    'never',
    'Put the right password back into secrets/offsite/NAME/password, or the right credentials into secrets/offsite/NAME/environment, in the state directory.',
  ),
  OFFSITE_LOCKED: entry(
    'conflict',
    'later',
    'Another program works in the off-site repository; wait for it. Locks whose owner is gone are removed by themselves.',
  ),
  OFFSITE_DELETE_REFUSED: entry(
    'precondition',
    'never',
    'The storage lets nothing be removed (append-only, object lock, permissions). Nothing was lost; remove copies when it lets them go, or over an access that may.',
  ),
  OFFSITE_FAILED: entry('precondition', 'later', "restic's own words about the off-site repository are in the detail; copies that are there stay usable."),

  // consistency between servers
  MARKER_UNREADABLE: entry(
    'precondition',
    'never',
    'Run the probe by hand on the server it was sent to, and look at what it prints: correct the probe, or the type of its marker.',
  ),
  PROBE_INVALID: entry('invalid', 'never', 'Correct the probe in the profile, or the parameters of the relation that stand in it; nothing was asked.'),
  PROBE_FAILED: entry(
    'precondition',
    'later',
    'What was asked has answered, and not with a value: its words are in the detail. Run the probe by hand on the server it was sent to.',
  ),
  PROBE_TIMED_OUT: entry(
    'timeout',
    'later',
    'Look at the server that was asked and at the network between it and the worker; what is slow by nature needs more timeoutSeconds in the profile.',
  ),
  PROBE_OUTPUT_TOO_LARGE: entry(
    'precondition',
    'never',
    'Let what is asked say less: 64 KiB of it are read, a value has at most 16 KiB, and those of one recovery point together 1 MiB. A hash of what is long is a value, too.',
  ),
  PEER_UNREACHABLE: entry(
    'unavailable',
    'later',
    'Look whether the server runs, whether its service listens, and whether the worker gets through to the address named.',
  ),
  PEER_ADDRESS_MISSING: entry('precondition', 'never', 'Declare in the estate file at which address the worker reaches the server.'),
  // secret stores of people
  SECRET_STORE_UNREACHABLE: entry(
    'unavailable',
    'later',
    'Look at the secret store and at the network between it and the worker; of a file, whether it is where it is declared.',
  ),
  SECRET_STORE_SEALED: entry(
    'unavailable',
    'later',
    'Nobody can read anything from it until its keepers have unsealed it (`vault operator unseal`, `bao operator unseal`): call them.',
  ),
  SECRET_STORE_DENIED: entry(
    'precondition',
    'never',
    'Put a valid token into the declared file, with a policy that may read MOUNT/metadata/PATH and MOUNT/data/PATH; of a file, let the user that Modosu runs as read it.',
  ),
  SECRET_NOT_FOUND: entry(
    'not-found',
    'never',
    'Compare path and field in the estate file with what stands in the secret store. An engine of Vault has to be KV version 2.',
  ),
  SECRET_VERSION_LOST: entry(
    'precondition',
    'never',
    'The store no longer gives out this version: look whether somebody else has kept that password, or log in with another account.',
  ),
  SECRET_STORE_NOT_CONFIGURED: entry(
    'not-found',
    'never',
    'Declare it in the file of MODOSU_SECRET_STORES_FILE on the workers of the hypervisor (docs/SECRET-STORES.md), or correct its name in the estate file.',
  ),
  CREDENTIAL_NOT_SET: entry(
    'precondition',
    'never',
    'Look whether the account is there and the guest agent may set passwords (`guest-set-user-password`); set it by hand: the secret store has it.',
  ),
  CREDENTIAL_NOT_PROVEN: entry(
    'precondition',
    'never',
    'Log in with the current password from the secret store; where that fails, set it by hand. Only guests with `unix_chkpwd` of Linux-PAM can prove it.',
  ),
  SECRET_STORE_INVALID: entry('precondition', 'never', 'Correct the secret store, its file or its declaration: the message says what is wrong, and where.'),

  // Modosu's own parts
  CATALOG_UNAVAILABLE: entry('unavailable', 'later', 'Start PostgreSQL or correct MODOSU_DATABASE_URL; `modosu doctor` checks it.'),
  CATALOG_SCHEMA_OUTDATED: entry('precondition', 'never', 'Run `modosu migrate`.'),
  TEMPORAL_UNAVAILABLE: entry('unavailable', 'later', 'Start Temporal or correct MODOSU_TEMPORAL_ADDRESS; `modosu doctor` checks it. Nothing was started.'),
  PAYLOAD_UNREADABLE: entry(
    'precondition',
    'never',
    'Put the key named back into payload-keys.json (the same file on every machine), then restart the worker and the API.',
  ),
  NOT_READY: entry('unavailable', 'later', 'A part of Modosu did not start; its log under the state directory says why.'),
  API_UNREACHABLE: entry('unavailable', 'later', 'Start Modosu with `modosu up`, or set MODOSU_API_URL.'),
  NO_WORKER: entry('unavailable', 'later', 'No worker serves this hypervisor; start one with `modosu worker`.'),
  WORKFLOW_STUCK: entry(
    'internal',
    'later',
    'The log of the workers says why, at "Failed to process Workflow Activation" or "Failing workflow task": a key that is missing in payload-keys.json, a worker of another version, or a fault. It goes on by itself once a worker can carry it on.',
  ),
  STATE_DIRECTORY_UNUSABLE: entry(
    'precondition',
    'never',
    'Choose a directory outside private homes with MODOSU_STATE_DIR; others must be able to pass through its parents.',
  ),
  ALREADY_RUNNING: entry('conflict', 'never', 'Another `modosu up` uses this state directory; stop it first.'),
  PORT_TAKEN: entry('conflict', 'never', 'Another program listens on the port named; free it or choose another port.'),
  TOKEN_IS_YOURS: entry('conflict', 'never', 'Revoke it with the token of another administrator.'),
  SUPPORT_BUNDLE_REFUSED: entry('precondition', 'never', 'Run it as the user who runs Modosu, and name a file that is not there yet: --file PATH.'),
  PROGRAM_MISSING: entry('unavailable', 'never', 'Install the program named; `npm run setup` does it on Debian and Ubuntu.'),
  AUDIT_CHAIN_BROKEN: entry('corrupt', 'never', 'An audit entry was changed outside Modosu; keep the database as evidence and look at the entry named.'),
  RUN_FAILED: entry('precondition', 'never', 'See `modosu run show ID` for the failed step and its hint.'),
  RUN_CANCELLED: entry('cancelled', 'never', 'The run was cancelled; what it had changed was undone.'),
  RUN_ENDED_OUTSIDE: entry('internal', 'never', "The workflow was ended outside Modosu; check the server's state before the next run."),
  WAIT_TIMED_OUT: entry('timeout', 'later', 'The run goes on; follow it with `modosu run watch ID`.'),
  INTERNAL: entry('internal', 'never', 'This is a fault in Modosu; report it with the log lines of the run.'),
} as const satisfies Record<string, ErrorCodeEntry>;

export type ErrorCode = keyof typeof ERROR_CODES;

export const isErrorCode = (value: unknown): value is ErrorCode => typeof value === 'string' && Object.hasOwn(ERROR_CODES, value);
