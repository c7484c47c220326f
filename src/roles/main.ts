import { exitCodeOf } from '../cli/exit-codes';
import { tellFailure } from '../cli/failure';
import { createLog } from '../config/log';
import { programVersion } from '../config/version';
import { ModosuError, toModosuError } from '../contracts/errors';
import { commandLine } from './command-line';
import { tellParent } from './parent';
import { shutdownSignal } from './shutdown';

/** The program `modosu`. A role is a composition root of its own and is loaded only when it is asked for; everything else is the CLI. */
const SERVICES = ['up', 'api', 'worker'] as const;

async function main(argv: readonly string[]): Promise<number> {
  const { command, rest } = commandLine(argv);
  const wantsHelp = rest.includes('--help') || rest.includes('-h');
  if (command === undefined || wantsHelp) return cli();
  if ((SERVICES as readonly string[]).includes(command)) {
    if (rest.length > 0) return tellFailure(process, unknownWords(command, rest));
    return serve(command as (typeof SERVICES)[number]);
  }
  if (command === 'migrate') {
    const { runMigrate } = await import('./migrate.js');
    const io = { say: (line: string) => void process.stdout.write(`${line}\n`), note: (line: string) => void process.stderr.write(`${line}\n`) };
    return orTellUser(() => runMigrate(process.env, rest, io));
  }
  if (command === 'doctor') {
    const { runDoctor } = await import('./doctor.js');
    return orTellUser(() => runDoctor(process.env, rest, (text) => process.stdout.write(text)));
  }
  if (command === 'support-bundle') {
    const { runSupportBundle } = await import('./support-bundle.js');
    return orTellUser(() => runSupportBundle(process.env, rest, (text) => process.stdout.write(text)));
  }
  if (command === 'data-repository') {
    const { runDataRepository } = await import('./data-repository.js');
    const io = { write: (text: string) => void process.stdout.write(text), say: (line: string) => void process.stderr.write(`${line}\n`) };
    return orTellUser(() => runDataRepository(process.env, rest, io));
  }
  if (command === 'catalog') {
    const { runCatalog } = await import('./catalog.js');
    const io = {
      write: (text: string) => void process.stdout.write(text),
      say: (line: string) => void process.stderr.write(`${line}\n`),
      now: () => new Date(),
    };
    return orTellUser(() => runCatalog(process.env, rest, io));
  }
  return cli();
}

async function cli(): Promise<number> {
  const { runCli } = await import('../cli/main.js');
  const shippedProfiles = async () =>
    (await (await import('../profiles/directory-profile-source.js')).directoryProfiles(null).find()).profiles.map(({ profile }) => profile);
  return runCli(process.argv.slice(2), { version: programVersion(), io: { shippedProfiles } });
}

async function serve(role: (typeof SERVICES)[number]): Promise<number> {
  const stop = shutdownSignal();
  try {
    if (role === 'up') await (await import('./up.js')).runUp(process.env, stop);
    else if (role === 'api') await (await import('./api.js')).runApi(process.env, stop);
    else await (await import('./worker.js')).runWorker(process.env, stop);
    return 0;
  } catch (thrown) {
    const error = toModosuError(thrown);
    await tellParent({ type: 'failed', error: error.summary() });
    if (process.stderr.isTTY) return tellFailure(process, thrown);
    createLog({ level: 'info', role }).fatal({ code: error.code, hint: error.hint, error: thrown }, error.message);
    return exitCodeOf(error.code);
  }
}

async function orTellUser(action: () => Promise<number>): Promise<number> {
  try {
    return await action();
  } catch (thrown) {
    return tellFailure(process, thrown);
  }
}

const unknownWords = (command: string, words: readonly string[]): ModosuError =>
  new ModosuError('USAGE', `\`modosu ${command}\` does not know ${words.join(' ')}.`, { hint: `See \`modosu ${command} --help\`.` });

main(process.argv.slice(2)).then(
  // Exit explicitly: a pool or channel that somebody forgot must not keep a stopped service alive.
  (exitCode) => process.exit(exitCode),
  (thrown: unknown) => process.exit(tellFailure(process, thrown)),
);
