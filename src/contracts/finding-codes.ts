import type { JudgeCode } from './profile';
import type { BreachCode } from './protection-status';

/**
 * Every code of Modosu's own by which a plan or a judgement says what was found, a status what is promised and not so, and an alert what has come up. Codes of
 * errors stand in `error-codes.ts`; findings and alerts may have those, too. Rules of profiles have codes that stand in the profile.
 *
 * A code is stable: people override findings by it, and `modosu explain CODE` prints this table. Add codes, never reuse one for another meaning.
 */

export interface FindingCodeEntry {
  /** What is so, wherever it is said. */
  readonly meaning: string;
  readonly whatToDo: string;
}

const entry = (meaning: string, whatToDo: string): FindingCodeEntry => ({ meaning, whatToDo });

const NOTHING = 'Nothing has to be done.';

export const FINDING_CODES = {
  // plans: the server as it stands
  SERVER_GONE: entry(
    'The hypervisor no longer knows the server: a restore defines it anew from the recovery point, an undo has no definition to keep and is blocked.',
    'Make sure that it is the server you mean; instead of an undo, restore it from a recovery point.',
  ),
  SERVER_OFF: entry('The server is off.', NOTHING),
  SERVER_ALIVE: entry(
    'The server is running and its guest agent answers: a restore of the whole server or its undo shuts it down, a restore of data lets it run on.',
    'Make sure that this is the server you mean.',
  ),
  SERVER_NOT_ANSWERING: entry(
    'The server is not off and its guest agent does not answer: its power will be cut.',
    'If it may still work, look at its console before you have the plan carried out.',
  ),
  AGENT_SILENT: entry(
    'The guest agent does not answer, and data is brought back, or taken back, by programs that run in the guest.',
    'Start the server and its guest agent and plan again, or restore the whole server (--scenario server).',
  ),
  SERVER_DECOMMISSIONED: entry(
    'The server is out of service and stays so after the restore: nothing backs it up.',
    'If it is to stay, take it back into service: `modosu server recommission NAME --reason TEXT`.',
  ),

  // plans: definition and disks
  DISK_SET_DIFFERS: entry(
    'The server has other disks than the recovery point: the whole definition of the recovery point is used; with kept disks it cannot be, and the plan is blocked.',
    'Attach disks that were added since again after the restore if you need them; with kept disks, keep those as well that the finding names, or plan without --keep-disk.',
  ),
  DEFINITION_CHANGED: entry(
    'The definition of the server was changed since the recovery point (memory, network or other devices): the present one is kept.',
    NOTHING,
  ),
  CHAIN_FLATTENED: entry('Disks that stood on a backing file come back as files that stand alone.', NOTHING),
  REMOVABLE_MEDIA: entry('CD-ROMs and floppies are recorded, not copied.', NOTHING),
  REMOVABLE_MEDIUM_MISSING: entry(
    'What lay in a CD-ROM or floppy drive is not on the host any more: the drive comes back empty.',
    'If the server needs it, put the file there before the restore, or insert it afterwards: `virsh change-media DOMAIN TARGET FILE --insert`.',
  ),
  GENERATION_ID_RENEWED: entry('The server gets a fresh generation id, so that software in it notices the journey in time.', NOTHING),
  NOT_ENOUGH_SPACE: entry(
    'A directory has too little room for the new volumes of the restore and a reserve.',
    'Free as much as the finding says, for example by `modosu run confirm RUN --reason TEXT`, which deletes the volumes that a restore has kept, and plan again.',
  ),
  WAY_BACKS_KEPT: entry(
    'Volumes that earlier runs have replaced are still kept; this restore keeps the present ones as well.',
    'Where room is short, give up those of runs that nobody will undo: `modosu run confirm RUN --reason TEXT`.',
  ),
  DISKS_KEPT: entry(
    'Disks stay as they are now and do not go back with the others: programs may meet data that they have not written yet, and what was written there is not undone.',
    'Look at what uses them before the server goes live: restore with --hold.',
  ),
  KEPT_DISK_SIZE_DIFFERS: entry(
    'A disk that stays has another size than in the recovery point, and the disks that go back may expect what it was then.',
    'Look at partitions, volume groups and mounts in quarantine: restore with --hold.',
  ),
  KEPT_DISK_DETACHED: entry(
    'A disk that the run to be undone has kept is not attached to the server any more: another server may use the file.',
    'Attach it again under the same target, then plan again.',
  ),
  SALVAGE_POSSIBLE: entry(
    'Data disks can be read and can stay as they are now while the rest is restored: nothing written to them is lost then.',
    'Compare what each way loses, and plan with the --keep-disk that the finding names if that is better.',
  ),
  OLD_DISKS_ATTACHED: entry(
    'Old volumes are attached read-only once the restored server has been proven, until it is powered off or the restore is confirmed; they have the labels and UUIDs of the restored ones.',
    'Mount them by their serial numbers (/dev/disk/by-id/*modosu-old-*), read-only and without journal replay, and detach them before the guest restarts.',
  ),

  // plans: start, quarantine, health checks
  START_CANNOT_BE_PROVEN: entry(
    'No guest agent of the server has been seen, or it did not answer before the run that is undone: that libvirt says "running" does not prove that the OS has started.',
    'Look at the console afterwards, and install qemu-guest-agent in the guest.',
  ),
  STAYS_OFF: entry('The server was off before the run that is undone, and stays off after the undo.', NOTHING),
  NIC_NOT_DECLARED: entry(
    'NICs that are not declared count as production: their links are down until go-live.',
    'Declare them under "nics" of the server, with role production or backup.',
  ),
  LINK_STAYS_UP: entry(
    'A link of the server stays up in quarantine (role backup), and the server shares its state with others: over that link they could replicate before any rule has said that they may.',
    'Make sure that it cannot reach them over that network, or declare the link with role production under "nics" of the server, and plan again.',
  ),
  NIC_NOT_PRESENT: entry('Declared production NICs are not in the definition that is used.', 'Correct "nics" of the server in the estate file.'),
  NO_HEALTH_CHECKS: entry(
    'No health check is declared: the server goes live when it has started.',
    'Declare "healthChecks" of the server, or restore with --hold and look at it yourself.',
  ),
  HEALTH_CHECK_NEEDS_AGENT: entry(
    'Health checks run in the guest through its agent, and nobody has seen that agent: they will most likely fail, and the restore is undone then.',
    'Install qemu-guest-agent, or use TCP checks over the backup network.',
  ),
  HEALTH_CHECK_NEEDS_BACKUP_NETWORK: entry(
    'Health checks are run in the guest over SSH, and every NIC of the server is down in quarantine: they would fail, and the restore would be undone.',
    'Declare the NIC of the backup network under "nics" of the server (role: backup), with its address as the host of "ssh".',
  ),

  // plans of an undo
  WAY_BACK_NOT_FOUND: entry('The host of the hypervisor has kept nothing of the run that is to be undone.', 'Restore from a recovery point instead.'),
  WAY_BACK_COMPLETE: entry('Every volume that the run to be undone has kept is there.', NOTHING),
  WAY_BACK_INCOMPLETE: entry(
    'A volume that the run to be undone has kept is missing, or another file stands in its place.',
    'Put it back, or restore from a recovery point instead.',
  ),

  // plans: configuration changes
  CHANGES_LOST: entry(
    'The server has configuration changes that what it goes back to does not contain.',
    '`modosu change show CHANGE` says how each is applied again; where the finding is a step the run does it before go-live, else do it afterwards, or choose a newer generation.',
  ),
  CHANGES_OPEN_LOST: entry(
    'Configuration changes are being made on disks that go: what was done of them is not in what the server goes back to, or only a part of it.',
    'Make each again from the beginning, then `modosu change complete CHANGE --made-again`; or `modosu change cancel CHANGE --reason TEXT`.',
  ),
  CHANGES_HALF_DONE: entry(
    'The generation was taken in the middle of configuration changes: it may contain a part of each.',
    'Apply them again as `modosu change show CHANGE` says, or let the run do it where the finding is a step, or choose another generation.',
  ),
  CHANGES_RETURN: entry('Configuration changes come back with the generation that the server does not have now.', NOTHING),
  CHANGES_UNKNOWN: entry(
    'Which configuration changes the generation contains is not known: an earlier version of Modosu has taken it.',
    'Compare the server after the restore with what it should be, and acknowledge that it is not known (--acknowledge-unknown).',
  ),
  FACTS_DIFFER: entry(
    'The server itself, as its guest agent told while the plan was made, or where it could not be asked its newest image, differs from what is restored: packages, services or other facts of the guest.',
    'What is wanted of it has to be done again after the restore. See all of it: `modosu generation diff SERVER GENERATION GENERATION`, for the server itself after an image of it (`modosu backup image SERVER --mode online --reason TEXT`).',
  ),
  FACTS_NOT_COMPARED: entry(
    'Whether the server differs from what is restored, beside its registered changes, is not known, or not of everything: the server does not run or its guest agent told nothing, and facts of a generation could not be collected, or there is no newer image to compare with.',
    'Where the server runs and its guest agent answers, a new plan compares it. `modosu generation show SERVER GENERATION` shows what is known; compare the server after the restore with what it should be. Nothing has to be acknowledged.',
  ),

  // plans: passwords
  CREDENTIAL_ROTATED: entry(
    'The password of an account was changed since what is restored: the server, or data that comes back, knows the one of that time.',
    'Where the finding is a step the run sets the current one before go-live; else log in with that of then, and set the current one.',
  ),
  CREDENTIAL_UNKNOWN: entry(
    'Whether the password of an account was changed since what is restored is not known.',
    'Have the secret store put in order and plan again, or be ready to log in with the password of that time.',
  ),
  CREDENTIAL_VERSION_LOST: entry(
    'The secret store does not have the version of a password any more that the account had in what is restored.',
    'Be ready to use another account: with this one nobody can log in before the current password is set, unless somebody has kept that of then.',
  ),

  // plans: data that follows an image
  DATA_FOLLOWS: entry('A data set follows the image: its newest suitable recovery point is restored after it.', NOTHING),
  DATA_LEFT_OUT: entry('A data set stays as the image holds it, because that was asked for (--no-data).', 'Plan without --no-data if its data is to follow.'),
  DATA_DISKS_KEPT: entry(
    'A data set is not restored because disks are kept, and what lies on them is newer than any recovery point.',
    'If it lies on a disk that goes back, restore it afterwards: `modosu restore plan NAME --scenario data --data-set DATA_SET`.',
  ),
  DATA_NONE: entry(
    'A data set has no usable recovery point: it stays as the image holds it.',
    'Take data backups daily: `modosu backup data NAME --reason TEXT`.',
  ),
  DATA_OLDER_THAN_IMAGE: entry(
    'Every suitable recovery point of a data set is older than the image, which holds newer data: it stays as the image holds it.',
    'Take data backups daily: `modosu backup data NAME --reason TEXT`.',
  ),
  DATA_NEEDS_AGENT: entry(
    'Data sets follow the image, and nobody has seen the guest agent that has to bring them back.',
    'Restore the image alone (--no-data), then the data.',
  ),
  DATA_NEEDS_BACKUP_NETWORK: entry(
    'Data sets follow the image, and every NIC of the server is down in quarantine: its guest could not reach the data repository.',
    'Declare the NIC of the backup network under "nics" of the server (role: backup), or restore the image alone (--no-data), then the data.',
  ),
  FILES_OVER_IMAGE: entry(
    'Files are put over those of the image while the restored server runs in its quarantine: files that only the image has stay, and programs go on with the old ones that they hold open.',
    'Restart the programs that use these files before the server goes live: restore with --hold.',
  ),

  // plans: files
  RECOVERY_POINT_AFTER_INCIDENT: entry(
    'The recovery point reaches to a moment after the incident: it may hold what is to be mended.',
    'Choose one from before the incident, or leave the choice to Modosu.',
  ),
  FILES_GO_BACK_BESIDE_PEERS: entry(
    'Files go back in time on a server that shares its state with others (`replicates-with`, `member-of`): a number in them, such as the serial of a zone, goes back with them, and peers that are further on do not follow.',
    'Compare the number with what the peers have, raise it above theirs after the restore, and see that they follow; then `modosu backup image NAME --mode online --reason TEXT` and `modosu relation judge NAME --wait`.',
  ),
  FILES_CHANGED_WHILE_READ: entry(
    'Files changed while the recovery point was taken and may be torn.',
    'Look at them after the restore, or choose another recovery point.',
  ),
  TOO_MANY_FILES: entry(
    'There are more files than can be compared in a guest at once.',
    'Restore the data set in parts with --path; after an image, restore that alone first (--no-data).',
  ),
  FILES_NOT_READABLE: entry(
    'Not everything in the guest could be looked at; the evidence is what its programs said.',
    'Look at what is named in the guest, mend it where it matters, and plan again.',
  ),
  FILE_TYPE_DIFFERS: entry(
    'Something of another type stands in the place of files that would come back: what stands there stays.',
    'Move what stands there away, then plan again.',
  ),
  FILE_NAME_NOT_UTF8: entry(
    'Files cannot be put in place because their names are no UTF-8, which a guest agent cannot be told.',
    'Restore them by hand with restic in the guest.',
  ),
  GUEST_DISK_FULL: entry(
    'A file system in the guest has too little room for what is fetched into it.',
    'Free as much there as the finding says, and plan again; choose less if that is enough.',
  ),

  // plans: databases
  DATABASE_ENGINE: entry('The database server can load the dump: its version is not older than that of the dump.', NOTHING),
  DATABASE_ENGINE_TOO_OLD: entry(
    'The dump is of a newer PostgreSQL than the one that would have to load it, in the guest or in the image, and cannot be loaded into an older major version.',
    'Upgrade the database server, or choose another recovery point; after an image, restore that alone (--no-data), upgrade, and restore the data afterwards.',
  ),
  DATABASE_NOT_SUPERUSER: entry('The user of the data set is no superuser of the database server.', 'Correct "user" of the data set.'),
  ROLES_ARE_MADE: entry(
    'Roles that the database needs are missing: they are made as the recovery point says, with their passwords.',
    'Nothing has to be done where those passwords may be valid again; else change them afterwards.',
  ),
  DATABASE_ROLE_MISSING: entry('Roles that the selected objects belong or are granted to are missing.', 'Make them, then make a new plan.'),
  DATABASE_EXTENSION_MISSING: entry('Extensions that the database uses are not to be had in the guest.', 'Install their packages, then make a new plan.'),
  EXTENSION_VERSION_DIFFERS: entry(
    'Extensions are not to be had in the version of the recovery point: the present one is used.',
    'Make sure that the database works with the version that is named, or install the one of then and plan again.',
  ),
  DATABASE_TABLESPACE_MISSING: entry('Tablespaces that the database uses are missing.', 'Make them, then make a new plan.'),
  DATABASE_ABSENT: entry('The database is not there: it is put in place.', NOTHING),
  DATABASE_NOT_FOUND: entry(
    'A database is not there that tables or schemas could be put into, or what was kept of a restore that is to be undone is gone.',
    'Restore the whole database; where an undo is planned, there is nothing to go back to.',
  ),
  DATABASE_CLOSED: entry(
    'The database accepts no connections now: a restore of the whole database goes on, one of tables or schemas is blocked.',
    'Let it accept them (ALTER DATABASE … ALLOW_CONNECTIONS true), then plan again.',
  ),
  DATABASE_IN_USE: entry('Prepared transactions hold the database.', 'COMMIT PREPARED or ROLLBACK PREPARED them, then plan again.'),
  DATABASE_SESSIONS: entry(
    'Sessions of the database are ended when the databases are exchanged.',
    'Stop the programs that use it first if they do not bear that.',
  ),
  REPLICATION_STAYS_BEHIND: entry(
    'Logical replication stays with the replaced database: the restored one has no slots and no subscriptions.',
    'Make slots and subscriptions anew in the restored database.',
  ),
  DATABASE_STRUCTURE_DIFFERS: entry(
    'The columns of a table that is to be replaced are not what they were in the recovery point.',
    'Restore it beside (without --replace), compare, and copy what is needed.',
  ),
  COLUMNS_DIFFER: entry(
    'The columns of a table are not what they were in the recovery point; it is restored beside the present one.',
    'Mind the difference when you copy from the one to the other.',
  ),

  // relations: what rules cannot say
  SERVER_UNKNOWN: entry(
    'What the server itself says now could not be read, and rules of a relation depend on it.',
    'Make it known and plan again; or find out by hand what the rules ask, and acknowledge that it is not known (--acknowledge-unknown).',
  ),
  PEER_UNKNOWN: entry(
    'What a peer of the server says now could not be read, and rules of a relation depend on it.',
    'Make it known and plan again; or find out by hand what the rules ask, and acknowledge that it is not known (--acknowledge-unknown).',
  ),
  MARKER_NOT_CAPTURED: entry(
    'The recovery point has no value of a marker that rules of a relation depend on, or none that can be read.',
    'Choose a recovery point that has it; or find out by hand what the rules ask, and acknowledge that it is not known (--acknowledge-unknown).',
  ),
  MARKERS_INCOMPARABLE: entry(
    'Two values were read that rules of a relation compare, and nothing can be said of how the one stands to the other.',
    'Find out by hand what the rules ask, and acknowledge that it is not known (--acknowledge-unknown).',
  ),
  CLOCKS_DISAGREE: entry('The recovery point is from a moment to come: one of the clocks is wrong.', 'Correct the clock that is wrong and plan again.'),
  RULE_UNUSABLE: entry(
    'A parameter of the relation, or the profile itself, asks for what cannot be asked.',
    'Correct the parameters of the relation, or the profile, and plan again.',
  ),
  PROFILE_EXPERIMENTAL: entry(
    'The profile by which two servers were compared is experimental: no test has run it against the real software.',
    'Look at the evidence of its findings, and at the two servers themselves, before you rely on what it says.',
  ),
  RELATION_AGREES: entry('No rule of the profile speaks against the server beside its peer, and every rule could be decided.', NOTHING),
  PROFILE_NOT_FOUND: entry(
    'The profile that a relation names is not there: whether the two servers will work together is not known.',
    'Put its file back, or name another one (`modosu profile list`), and plan again; or find out by hand, and acknowledge that it is not known (--acknowledge-unknown).',
  ),
  PROFILE_INVALID: entry(
    'The profile that a relation names could not be loaded, because its file or the directory of profiles has errors: whether the two servers will work together is not known.',
    'Mend the errors (`modosu profile check FILE`) and plan again; or find out by hand, and acknowledge that it is not known (--acknowledge-unknown).',
  ),
  PROFILE_CHANGED: entry(
    'The profile by which a plan was judged is not what it was then: it was changed, taken away, cannot be read, or has no rules for this phase any more.',
    'Plan again; where the run has begun, put the profile back as it was.',
  ),
  RELATION_NOT_JUDGED: entry(
    'A relation between servers that hold copies of each other names no profile that says whether they will accept each other.',
    'Name a profile for the relation (`modosu profile list`) and plan again; or find out by hand, and acknowledge that it is not known (--acknowledge-unknown).',
  ),
  RELATION_ONE_WAY: entry(
    'Another server is declared to hold copies of what this one has, and nothing is declared for this one going back.',
    'Declare the relation for this server as well and plan again; or find out by hand, and acknowledge that it is not known (--acknowledge-unknown).',
  ),
  PEER_DECOMMISSIONED: entry('A peer of a relation is out of service: it was not asked.', 'Take it out of the relation.'),
  DEPENDANTS_INTERRUPTED: entry(
    'Other servers cannot work without this one, from the moment it is stopped until it is live again.',
    'Look at them when it is live: some have to be started again.',
  ),
  JUDGEMENT_FAILED: entry(
    'Whether the peers of a server would accept its newest image could not be found out: judging it failed, with the error that the finding names.',
    'See to that error (`modosu explain` knows it), then judge again: `modosu relation judge NAME`.',
  ),

  // relations: the choice of recovery points
  COMPATIBLE_POINT: entry(
    'There is a recovery point that the peers would accept: it was chosen, or it is a better choice than the one of the plan.',
    'Compare what it costs, and plan with the command that the finding names if it is better.',
  ),
  NO_COMPATIBLE_POINT: entry(
    'None of the recovery points that were looked at is one that the peers would accept.',
    'Follow the remedy of what stands against the one of the plan, or restore the servers together where the finding offers it: `modosu restore plan-set`.',
  ),
  RESTORED_TOGETHER: entry(
    'Two servers are restored together: the peer was read before its recovery point and after it, and the rules were asked about both.',
    NOTHING,
  ),
  SET_RESTS_ON_FREEZE: entry(
    'Two servers are restored together to images that were frozen together; that nothing went from one to the other between their reading and the freeze is not proven.',
    'Look at both in quarantine, before they go live, and acknowledge that it is not known (--acknowledge-unknown); or choose recovery points of which it is proven.',
  ),
  SET_NOT_PROVEN: entry(
    'How far the peer had come at its recovery point is not known: it was not read both right before that and again after it.',
    'Take both from one backup set, or an older recovery point, after which another one was taken.',
  ),
  RESEED_NOT_PLANNED: entry(
    'No recovery points of a set agree: one server is restored, and another was to be made anew from it. As the two are now no rule asks for that, and the plan has no step for it.',
    'See what else the plan says of that peer, mend it and plan the set again; or make the peer anew by hand once the server is live, and override this.',
  ),

  // breaches: what policies promise and is not so
  NO_POLICY: entry(
    'Nothing backs the server up by itself: it has no policy, or one that asks for nothing that it has.',
    'Declare a policy with images, or with data of data sets that the server declares, name it in "policy" of the server, and apply.',
  ),
  NO_RECOVERY_POINT: entry(
    'The policy promises images, or data of a data set, and there is no usable recovery point of it.',
    'Take one now: `modosu backup image NAME --mode MODE --reason TEXT`, or `modosu backup data NAME --reason TEXT`; where the last backup failed, see `modosu run show RUN` first.',
  ),
  RPO_EXCEEDED: entry(
    'The newest usable recovery point of an image or a data set is older than its policy promises.',
    'Take one now: `modosu backup image NAME --mode MODE --reason TEXT`, or `modosu backup data NAME --reason TEXT`; where the last backup failed, see `modosu run show RUN` first.',
  ),
  NOT_BACKED_UP_SINCE_RESTORE: entry(
    'The server was restored, or a restore undone, and there is no usable image of the disks that it has now.',
    'Take one now: `modosu backup image NAME --mode MODE --reason TEXT`.',
  ),
  NOT_VERIFIED: entry(
    'The newest recovery points have not been verified within the time that the policy promises.',
    'See what came of it: `modosu verification list --server NAME`, and whether a worker runs: `modosu doctor`.',
  ),
  BOOT_PROOF_FAILED: entry(
    'The image that was booted last for a proof did not come up.',
    'See `modosu verification show VERIFICATION`; once it is mended: `modosu verify RECOVERY_POINT --boot --reason TEXT`.',
  ),
  BOOT_PROOF_OVERDUE: entry(
    'No image of the server was booted for a proof when its policy wanted it.',
    'See what came of it: `modosu verification list --server NAME`, and whether a worker runs: `modosu doctor`.',
  ),
  NOT_COPIED_OFFSITE: entry(
    'The newest recovery points have not been copied to the off-site repository within the time that the policy promises.',
    'Bring its medium where it is offline; else see `modosu offsite list` and `modosu offsite transfers --server NAME`.',
  ),
  CHANGE_NOT_IMAGED: entry(
    'A configuration change has been complete for an hour and more, and no image contains it.',
    'See what came of it: `modosu run list --server NAME`; then take one: `modosu backup image NAME --mode MODE --reason TEXT`.',
  ),
  CANNOT_COME_BACK_ALONE: entry(
    'If the server were restored to its newest image now, its peers would not accept it.',
    'Follow the remedy of what `modosu relation judgement NAME` says; when that is done: `modosu relation judge NAME`.',
  ),
  COMEBACK_UNKNOWN: entry(
    'Whether the peers of the server would accept its newest image could not be found out, or was not, for more than a night.',
    'See `modosu relation judgement NAME`, and whether a worker runs: `modosu doctor`; then `modosu relation judge NAME`.',
  ),
  RTO_EXCEEDED: entry(
    'The last measured restore of the server took longer than its policy promises.',
    'See `modosu run list --server NAME` for where the time went.',
  ),

  // alerts, beside those of breaches and of runs that failed
  WAITING_FOR_GO_LIVE: entry(
    'A restore waits for somebody to say that the server may go live.',
    'Look at the server, then `modosu run go-live RUN --reason TEXT`, or `modosu run cancel RUN`.',
  ),
  WAITING_FOR_SIGN_OFF: entry(
    'A restore waits for somebody to do what no program does, or could not do, and to say so.',
    '`modosu run show RUN` says what; then `modosu run sign-off RUN --reason TEXT`.',
  ),
  RECOVERY_POINT_DAMAGED: entry(
    'A recovery point is damaged and cannot be restored from; so are those that build on it.',
    'See `modosu recovery-point show RECOVERY_POINT`, and take a new backup.',
  ),
} as const satisfies Readonly<Record<BreachCode | JudgeCode, FindingCodeEntry> & Record<string, FindingCodeEntry>>;

export type FindingCode = keyof typeof FINDING_CODES;

export const isFindingCode = (value: unknown): value is FindingCode => typeof value === 'string' && Object.hasOwn(FINDING_CODES, value);
