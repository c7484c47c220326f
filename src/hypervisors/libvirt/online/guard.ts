import { setTimeout as delay } from 'node:timers/promises';
import { ModosuError } from '../../../contracts/errors';
import { errorMessage } from '../../../system/files';
import { identify, isAlive, recordProcess } from '../../../system/process-record';
import { LibvirtGuestAgent } from '../agent';
import { BackupJob } from './backup-job';
import { FreezeDuty } from './freeze-duty';
import { GuardBook, type GuardTools } from './guard-duty';
import type { GuardFiles, GuardWord } from './guard-state';
import { JobDuty } from './job-duty';
import { listenForJobEnds, type JobEnd } from './job-events';
import { ServerControl } from './server-control';
import { Virsh } from '../virsh';

const LOOK_EVERY_MS = 100;
const JOB_EVERY_MS = 500;
/** Long enough to be seen by the one who has armed it. */
const SHORTEST_LIFE_MS = 1_000;
const WORDLESS_MS = 60_000;

/**
 * The guard of one online backup, a process of its own that outlives the worker. It thaws and resumes what the backup has frozen or paused, whoever has died,
 * keeps the limits, and writes down how the job ended. It never begins or continues anything. It ends by itself when nothing is left to look after.
 */
export async function runGuard(files: GuardFiles): Promise<void> {
  const order = await files.readOrder();
  if (order === null) throw new ModosuError('INTERNAL', `${files.directory} holds no order for a guard.`);
  const self = await identify(process.pid, `guard of the online backup of ${order.server.name}`);
  if (self === null) throw new ModosuError('INTERNAL', 'The guard cannot find out who it is.');
  await recordProcess(files.recordPath, process.pid, self.purpose);

  const virsh = new Virsh({ ...order.connection, stateDirectory: files.directory });
  const book = new GuardBook(files, self, await files.readState());
  const tools: GuardTools = {
    order,
    book,
    agent: new LibvirtGuestAgent(virsh, order.server),
    job: new BackupJob(virsh, order.server, order.disks),
    control: new ServerControl(virsh, order.server),
  };
  const freezes = new FreezeDuty(tools);
  const jobs = new JobDuty(tools);

  const over = new AbortController();
  let job = { busy: false, lookedAt: -Infinity };
  const ended = (end: JobEnd): void => {
    jobs.ended(end);
    job.lookedAt = -Infinity;
  };
  let lastJob: GuardWord['job'] = 'none';
  let wordlessSince: number | null = null;
  // Not waited for: the worker has a freeze to make before a job can begin, let alone end. What is missed all the same is found in libvirt's statistics.
  const listening = listenForJobEnds(virsh, order.server.uuid, ended, over.signal);
  // From here on the worker may freeze.
  await book.change({});
  const armedAt = performance.now();

  for (;;) {
    // Asked in this order: a worker found dead has said its last word.
    let isDead = false;
    let word: GuardWord | null = null;
    try {
      const before = await files.readWord();
      isDead = before !== null && !(await isAlive(before.worker));
      word = await files.readWord();
    } catch (error) {
      await book.log(errorMessage(error));
    }
    if (word === null) {
      // The directory was removed under us.
      wordlessSince ??= performance.now();
      if (performance.now() - wordlessSince > WORDLESS_MS) break;
    } else {
      wordlessSince = null;
      freezes.look(word, isDead);
      const said = word;
      if (said.job !== lastJob) job.lookedAt = -Infinity;
      lastJob = said.job;
      if (!job.busy && performance.now() - job.lookedAt >= JOB_EVERY_MS) {
        const present = { busy: true, lookedAt: performance.now() };
        job = present;
        void book.tolerate('watching the job', () => jobs.look(said, isDead)).finally(() => (present.busy = false));
      }
      const isOpen = !isDead && (word.job === 'none' || word.job === 'asked');
      if (!isOpen && performance.now() - armedAt > SHORTEST_LIFE_MS && !job.busy && freezes.isDone(word, isDead) && jobs.isDone(word, isDead)) break;
    }
    await delay(LOOK_EVERY_MS);
  }
  over.abort();
  await listening;
  await book.log('nothing is left to look after');
}
