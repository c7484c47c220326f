import { isCancellation, patched, sleep } from '@temporalio/workflow';
import type { BackupSubject, CopiedDisk, ImageBasis, PublishedImage } from '../src/contracts/activities/images';
import type { ErrorSummary } from '../src/contracts/errors';
import type { CollectedFacts } from '../src/contracts/generation';
import type { Consistency } from '../src/contracts/recovery-point';
import type { ImageReadings, ReadCounts, UnreadRelation } from '../src/contracts/reading';
import type { BackupImageInput, RunResult } from '../src/contracts/workflows';
import { backupSteps } from '../src/domain/steps/backup-steps';
import { planning, recording, relations, setBegins, type Calls } from './runbook/activities';
import { memberOf, type Member } from './runbook/backup-set';
import { rememberCredentials, remembersCredentials } from './runbook/credentials';
import { summarise } from './runbook/errors';
import { markDamage, markIfDamaged } from './runbook/damage';
import { readAll, readForImage } from './runbook/relations';
import { carryOut, type Runbook } from './runbook/runbook';
import { forgetGuard, giveServerBack, settleImages, stopServer, takeServer } from './runbook/server';

/** What was copied, and which moment it shows. */
interface Taken {
  readonly copied: readonly CopiedDisk[];
  readonly pointInTime: string;
  readonly consistency: Consistency;
  /** Why the server did not start again; null when it did, or never stopped. */
  readonly startProblem: unknown;
  /** What images of a running server build on; null: on nothing, and no checkpoint was made. */
  readonly basis: ImageBasis | null;
}

/**
 * Image backup. Offline: stop the server, copy every disk with the definition and the firmware variables, put the power state back. Online: freeze the file
 * systems for a moment, let QEMU write all disks as they were then, while the server runs on. Only then is anything published. A server that is off is imaged
 * as it lies. A server of a set waits, right before its point in time, until all servers of the set are ready.
 */
export async function backupImage(input: BackupImageInput): Promise<RunResult> {
  if (input.set === undefined) return carryOut(input, (book, calls) => takeImage(book, calls, input, null));
  const member = memberOf(input, input.set);
  // Left from inside, before anything is undone, so that the others need not wait for that; from outside where the run could not even begin.
  return member.orLeave(() => carryOut(input, (book, calls) => member.orLeave(() => takeImage(book, calls, input, member))));
}

async function takeImage(book: Runbook, calls: Calls, input: BackupImageInput, member: Member | null): Promise<void> {
  const { host, lateHost, undo } = calls;
  const subject = await book.step('examine', { do: () => host.examineForBackup(input), detail: describeSubject }, 'Examine the server and its disks');
  const wasRunning = subject.powerState === 'running';
  const isIncremental = subject.mode === 'online' && patched(INCREMENTAL_IMAGES);
  const hasFacts = wasRunning && subject.agent === 'answering' && patched(GENERATION_FACTS);
  const hasCredentials = remembersCredentials(subject);
  const { jobs, unread } = await toRead(input);
  const hasMarkers = jobs.length > 0 || unread.length > 0;
  await book.announce(
    backupSteps({
      mode: subject.mode,
      diskTargets: subject.disks.map(({ target }) => target),
      wasRunning,
      isIncremental,
      hasFacts,
      hasCredentials,
      isOfSet: member !== null,
      hasMarkers,
    }),
  );

  await takeServer(book, calls, input);
  const intended = isIncremental
    ? await book.step('basis', { do: async () => host.chooseBasis(input, subject, await planning.parentCandidates(input)), detail: describeBasis })
    : null;
  // The image is taken all the same, whole. What was found damaged by the way must be known as that.
  if (intended?.damage !== undefined) await markDamage(intended.damage.recoveryPointId, intended.damage.error);
  await book.step('reserve', { do: () => host.reserveRoom(input, (intended ?? subject).neededBytes), undo: () => undo.discardStaged(input) });
  const credentials = hasCredentials ? { credentials: await rememberCredentials(book, input.hypervisor, subject) } : {};

  // Before the point in time: read later, they could be ahead of what the image holds, and rules would be content where they must not be.
  if (hasMarkers) {
    const isOwnLast = patched(OWN_MARKERS_LAST);
    await book.step('markers', {
      do: () => (isOwnLast ? readForImage(jobs, input.serverId) : readAll(jobs)),
      detail: (counts) => markersDetail(counts, unread),
    });
  }
  const { copied, pointInTime, consistency, startProblem, basis } =
    subject.mode === 'online'
      ? await takeOnline(book, calls, input, subject, intended, member, hasFacts)
      : await takeOffline(book, calls, input, subject, member, hasFacts);

  await book.uninterrupted(async () => {
    const position = await planning.nextGeneration(input.serverId);
    const changes = patched(GENERATION_CHANGES) ? { changes: await planning.changesAt(input.serverId, pointInTime) } : {};
    const published = await book.step('publish', {
      do: () =>
        // A server that has not started again is tried once more at the end.
        (startProblem === null ? lateHost : host).publish({
          input,
          subject,
          copied,
          pointInTime,
          consistency,
          ...position,
          ...changes,
          ...credentials,
          ...(basis === null ? {} : { parentId: parentOf(basis) }),
        }),
      detail: ({ sizeBytes }) => ({ recoveryPointId: input.recoveryPointId, generation: position.generation, consistency, sizeBytes }),
    });
    book.settle('reserve');
    await book.step('catalogue', { do: () => recorded(input, published, startProblem === null) });
    book.result({ recoveryPointId: published.recoveryPointId });
    if (startProblem !== null) throw startProblem;
    // Published: from here on the checkpoint says what has changed since.
    if (basis !== null) book.settle('begin');
    book.settle('fence');
    await book.step('release', {
      do: async () => ({ ...(await endOnline(calls, input, subject, basis)), ...(await giveServerBack(calls, input)) }),
      detail: (returned) => returned,
    });
  });
}

/**
 * Without its row nobody knows of an image that lies published: a catalogue that is away is waited for until it is back. Nothing else is: a repository that has gone for good
 * must not hold the server. Nor is it waited for where the server has still to be started again.
 */
async function recorded(input: BackupImageInput, published: PublishedImage, waits: boolean): Promise<void> {
  for (;;) {
    try {
      return await recording(input.hypervisor).recordRecoveryPoint(published);
    } catch (thrown) {
      if (!waits || summarise(thrown).code !== 'CATALOG_UNAVAILABLE' || !patched(RECORDED_IN_THE_END)) throw thrown;
      await sleep('30 s');
    }
  }
}

/** Of whom what is read for the image, and what cannot be. */
async function toRead({ runId, serverId }: BackupImageInput): Promise<ImageReadings> {
  if (patched(UNREAD_RELATIONS)) return relations.readingsOfImage({ id: runId, serverId });
  return { jobs: patched(MARKERS) ? await relations.readingJobs({ id: runId, serverId, moment: 'capture' }) : [], unread: [] };
}

/** An image without markers is taken all the same: that it lacks them, and why, has to be seen while that can be mended. */
const markersDetail = (counts: ReadCounts, unread: readonly UnreadRelation[]): Readonly<Record<string, string | number>> => ({
  ...counts,
  ...(unread.length === 0
    ? {}
    : { problem: unread.map(({ relation, code, message }) => `relation "${relation}": nothing was read for it (${code}): ${message}`).join(' ') }),
});

/** The server runs all the time; QEMU itself writes the images. */
async function takeOnline(
  book: Runbook,
  { host, lateHost, server, transfer, undo }: Calls,
  input: BackupImageInput,
  subject: BackupSubject,
  intended: ImageBasis | null,
  member: Member | null,
  hasFacts: boolean,
): Promise<Taken> {
  const prepared =
    member === null || intended === null
      ? intended
      : await book.step('prepare', { do: () => server.prepareOnlineBackup(input, subject, intended), undo: () => undo.cancelOnlineBackup(input) });
  const begun = await book.step('begin', {
    do: async () => {
      if (prepared === null) return server.beginOnlineBackup(input, subject);
      if (member === null) return server.beginOnlineBackup(input, subject, prepared);
      // Nothing between the two, not even a line for people: the other servers are frozen at this moment.
      await member.meet();
      return setBegins(input.hypervisor).beginOnlineBackup(input, subject, prepared);
    },
    undo: () => undo.cancelOnlineBackup(input),
    detail: ({ note, basis: began, since: _since, ...start }) => ({
      ...start,
      ...(note === null ? {} : { note }),
      ...(began === undefined || began.fullBecause === (intended?.fullBecause ?? null) ? {} : { fullBecause: began.fullBecause }),
    }),
  });
  // What it had made belongs to what has begun.
  book.settle('prepare');
  const { pointInTime, consistency } = begun;
  const basis = begun.basis ?? null;
  // While QEMU copies: the definition has to be that of this moment, and so have the facts, which a guest may take its time to tell.
  await book.step('definition', { do: () => lateHost.saveDefinition(input, subject) });
  const facts = hasFacts ? collectFacts(book, host, input) : Promise.resolve();
  // A cancel may end it long before anybody waits for it below: Temporal takes a rejection that nobody has seen yet for a fault, and the run would hang for ever.
  facts.catch(() => undefined);
  try {
    const copied = await followImages(book, transfer, input, subject, basis);
    await facts;
    return { copied, pointInTime, consistency, startProblem: null, basis };
  } catch (thrown) {
    // They are written beside what is discarded now.
    await facts.catch(() => undefined);
    throw thrown;
  }
}

/** What QEMU's job writes, to its end; then its checksums. */
async function followImages(
  book: Runbook,
  transfer: Calls['transfer'],
  input: BackupImageInput,
  subject: BackupSubject,
  basis: ImageBasis | null,
): Promise<readonly CopiedDisk[]> {
  // One job writes all disks; each has a step of its own for people.
  const written = transfer.followOnlineBackup(input, subject);
  const [sizes] = await Promise.all(subject.disks.map(({ target }) => book.step(`copy:${target}`, { do: () => written })));
  if (basis === null) book.settle('begin');

  if (basis?.merges === true) await mergeWithChain(book, transfer, input, subject, basis);
  const copied: CopiedDisk[] = [];
  for (const disk of subject.disks) {
    const detail = (copy: CopiedDisk) => ({ storedBytes: copy.checksums.sizeBytes, sha256: copy.checksums.sha256 });
    const copy = await book.step(`checksum:${disk.target}`, {
      do: () => transfer.hashStagedDisk(input, disk, sizes?.virtualSizeBytes[disk.target] ?? 0),
      detail,
    });
    copied.push(basis === null || parentOf(basis) === null ? copy : { ...copy, incremental: basis.incremental.some(({ target }) => target === disk.target) });
  }
  return copied;
}

/** The chain has become long enough: whole images are made from it, without reading the server's disks again. Nothing that is published is written to. */
async function mergeWithChain(book: Runbook, transfer: Calls['transfer'], input: BackupImageInput, subject: BackupSubject, basis: ImageBasis): Promise<void> {
  for (const disk of subject.disks.filter(({ target }) => basis.incremental.some((one) => one.target === target))) {
    await book.step(
      `merge:${disk.target}`,
      { do: () => transfer.mergeStagedDisk(input, disk, basis).catch((thrown: unknown) => markIfDamaged(basis.parentId ?? '', thrown)) },
      `Make the image of ${disk.target} whole from those it builds on`,
    );
  }
}

/** What the published recovery point builds on: nothing, once its images have been made whole. */
const parentOf = ({ parentId, merges }: ImageBasis): string | null => (merges === true ? null : parentId);

/** Nothing of an online backup is left on the hypervisor but the checkpoint that the next one can continue. */
const endOnline = (calls: Calls, input: BackupImageInput, subject: BackupSubject, basis: ImageBasis | null): Promise<{ readonly guardProblem?: string }> => {
  if (subject.mode !== 'online') return Promise.resolve({});
  return basis === null ? forgetGuard(calls, input) : settleImages(calls, input);
};

/** The server is shut down, or is off already, while its disks are copied. */
async function takeOffline(
  book: Runbook,
  calls: Calls,
  input: BackupImageInput,
  subject: BackupSubject,
  member: Member | null,
  hasFacts: boolean,
): Promise<Taken> {
  const { host, server, offlineTransfer } = calls;
  const wasRunning = subject.powerState === 'running';

  // Of a set there are only servers here that are off: nothing of them changes while the others get ready.
  if (member !== null) await book.step('meet', { do: () => member.meet() });
  if (hasFacts) await collectFacts(book, host, input);
  if (wasRunning) await stopServer(book, calls, input, { how: 'ask-guest', wasOn: true });
  const pointInTime = new Date().toISOString();

  const copied: CopiedDisk[] = [];
  for (const disk of subject.disks) {
    const detail = (copy: CopiedDisk) => ({ storedBytes: copy.checksums.sizeBytes, sha256: copy.checksums.sha256 });
    copied.push(await book.step(`copy:${disk.target}`, { do: () => offlineTransfer.copyDiskToRepository(input, disk), detail }));
  }
  await book.step('definition', { do: () => host.saveDefinition(input, subject) });

  // The service comes back before anything else is done: publishing needs only the copies. And a server that refuses to start is no
  // reason to throw its image away: it may be the best there is.
  let startProblem: unknown = null;
  if (wasRunning) {
    try {
      await book.step('power', { do: () => server.start(input) });
      book.settle('stop');
    } catch (thrown) {
      if (isCancellation(thrown)) throw thrown;
      startProblem = thrown;
    }
  }
  return { copied, pointInTime, consistency: 'offline', startProblem, basis: null };
}

/** What cannot be asked or written down keeps no image from being taken: the step says why. */
const collectFacts = (book: Runbook, host: Calls['host'], input: BackupImageInput): Promise<unknown> =>
  book.step('facts', {
    do: async () => {
      try {
        return await host.collectFacts(input);
      } catch (thrown) {
        if (isCancellation(thrown)) throw thrown;
        return summarise(thrown);
      }
    },
    detail: describeFacts,
  });

const describeFacts = (facts: CollectedFacts | ErrorSummary): Readonly<Record<string, string | number>> =>
  'code' in facts
    ? { problem: `${facts.code}: ${facts.message}` }
    : {
        entries: facts.entries,
        ...(facts.failed.length === 0 ? {} : { failed: facts.failed.join(', ') }),
        ...(facts.truncated.length === 0 ? {} : { truncated: facts.truncated.join(', ') }),
      };

/** Since a catalogue that is away is waited for once an image is published. */
const RECORDED_IN_THE_END = 'recorded-in-the-end';
/** Since recovery points carry markers of their server and its peers. */
const MARKERS = 'relation-markers';
/** Since images of whose relations nothing can be read say so. */
const UNREAD_RELATIONS = 'unread-relations';
/** Since what a server says itself is read after what its peers say. */
const OWN_MARKERS_LAST = 'own-markers-last';
/** Since images carry facts of their server. */
const GENERATION_FACTS = 'generation-facts';
/** Since generations say which configuration changes they contain. */
const GENERATION_CHANGES = 'generation-changes';
/** Since incremental images: what a run does that was begun before stays as it was. */
const INCREMENTAL_IMAGES = 'incremental-images';

const describeBasis = ({ parentId, changedBytes, neededBytes, fullBecause, alwaysFull, merges }: ImageBasis) => ({
  ...(parentId === null ? { fullBecause } : { [merges === true ? 'mergedWith' : 'incrementalOn']: parentId, changedBytes }),
  ...(alwaysFull.length === 0 ? {} : { alwaysFull: alwaysFull.join(', ') }),
  neededBytes,
});

const describeSubject = (subject: BackupSubject) => ({
  mode: subject.mode,
  powerState: subject.powerState,
  agent: subject.agent,
  disks: subject.disks.length,
  neededBytes: subject.neededBytes,
});
