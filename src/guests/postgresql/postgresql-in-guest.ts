import type { PostgresqlContent, PostgresqlDataSet, PostgresqlFacts, PostgresqlSelection, PostgresqlSurvey, PostgresqlUndoSurvey } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import { runNames, type RunNames } from '../../domain/postgresql/names';
import type { GuestAgent } from '../guest-agent';
import { abandonObjects } from './abandon-objects';
import { DatabaseServer } from './database-server';
import { dumpDatabases } from './dump';
import { GuestPrograms, insideSpool } from './guest-programs';
import { restoreObjects, type KeptObjects } from './objects';
import type { KeptPostgresql, Postgresql, PostgresqlProbe, Waiting, WholeOptions } from './postgresql';
import { discardDirectory, makeDirectory } from './spool';
import { surveyDatabase } from './survey';
import { surveyUndo } from './survey-undo';
import { confirmObjects, undoObjects } from './undo-objects';
import { abandonWhole, confirmWhole, restoreWholeBeside, swap, undoWhole } from './whole';

/** `Postgresql` over a guest agent, for one run. */
export class PostgresqlInGuest implements Postgresql {
  private readonly server: DatabaseServer;
  private readonly names: RunNames;

  constructor(agent: GuestAgent, dataSet: PostgresqlDataSet, runId: string) {
    this.names = runNames(runId);
    this.server = new DatabaseServer(new GuestPrograms(agent, dataSet.osUser), dataSet, this.names);
  }

  async probe(): Promise<PostgresqlProbe> {
    const version = async (program: string): Promise<string> => {
      const said = await this.server.programs.output([program, '--version']);
      const found = /\(PostgreSQL\) (\d{1,3}(?:\.\d{1,3}){0,2}\w{0,12})/.exec(said)?.[1];
      if (found === undefined) throw new ModosuError('GUEST_PROGRAM_MISSING', `${program} in the guest does not say its version.`);
      return found;
    };
    const programs = { psql: await version('psql'), pgDump: await version('pg_dump'), pgRestore: await version('pg_restore') };
    const { version: engineVersion, major: engineMajor, superuser } = await this.server.engine();
    return { engineVersion, engineMajor, superuser, programs };
  }

  makeDirectory(directory: string): Promise<void> {
    return makeDirectory(this.server, directory);
  }

  dump(directory: string, waiting: Waiting): Promise<{ readonly content: PostgresqlContent; readonly facts: PostgresqlFacts }> {
    return telling(waiting, (told) => dumpDatabases(this.server, directory, told));
  }

  async discard(directory: string): Promise<void> {
    insideSpool(this.server.dataSet.spoolDirectory, directory, 'direct');
    // What still writes into it would make it again. The database server may be down by now.
    await this.server.endLeftovers([directory]).catch(() => undefined);
    await discardDirectory(this.server, directory);
  }

  survey(facts: PostgresqlFacts, selection: PostgresqlSelection): Promise<PostgresqlSurvey> {
    return surveyDatabase(this.server, facts, selection);
  }

  surveyUndo(kept: KeptPostgresql): Promise<PostgresqlUndoSurvey> {
    return surveyUndo(this.server, kept);
  }

  restoreObjects(directory: string, facts: PostgresqlFacts, selection: PostgresqlSelection, waiting: Waiting): Promise<KeptObjects> {
    return telling(waiting, (told) => restoreObjects(this.server, directory, facts, selection, told));
  }

  restoreWholeBeside(
    directory: string,
    facts: PostgresqlFacts,
    database: string,
    waiting: Waiting,
    options: WholeOptions = {},
  ): Promise<{ readonly notes: readonly string[] }> {
    return telling(waiting, (told) => restoreWholeBeside(this.server, directory, facts, database, told, options));
  }

  swap(database: string, waiting: Waiting = PATIENT): Promise<KeptPostgresql> {
    return telling(waiting, ({ signal }) => swap(this.server, database, signal));
  }

  async abandon(database: string, waiting: Waiting = PATIENT): Promise<{ readonly undoneDatabase: string | null; readonly undoneSchema: string | null }> {
    return telling(waiting, async (told) => {
      await this.server.endLeftovers();
      const undoneDatabase = await abandonWhole(this.server, database);
      return { undoneDatabase, undoneSchema: await abandonObjects(this.server, database, told) };
    });
  }

  async undo(kept: KeptPostgresql, waiting: Waiting = PATIENT): Promise<KeptPostgresql & { readonly notes: readonly string[] }> {
    return telling(waiting, async (told) =>
      kept.whole ? { ...(await undoWhole(this.server, kept, told.signal)), notes: [] } : undoObjects(this.server, kept, told),
    );
  }

  async confirm(kept: KeptPostgresql): Promise<void> {
    await this.server.endLeftovers();
    return kept.whole ? confirmWhole(this.server, kept) : confirmObjects(this.server, kept);
  }
}

const TELL_MS = 2_500;
const PATIENT: Waiting = { signal: new AbortController().signal };

/** Says the last known progress again and again: whoever waits knows that we live, whatever is being done. */
async function telling<T>(waiting: Waiting, work: (told: Waiting) => Promise<T>): Promise<T> {
  let last = { doneBytes: 0, totalBytes: 0 };
  const onProgress: Waiting['onProgress'] = (progress) => {
    last = progress;
    waiting.onProgress?.(progress);
  };
  const timer = setInterval(() => waiting.onProgress?.(last), TELL_MS);
  try {
    onProgress(last);
    return await work({ ...waiting, onProgress });
  } finally {
    clearInterval(timer);
  }
}
