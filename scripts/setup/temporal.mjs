/** The Temporal CLI, which also holds the server: an installed one if there is one, else built once into the cache. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildWithGo, findGo } from './go.mjs';
import { makeReachableDirectory, projectRoot, temporalCachePath, temporalVersion } from './paths.mjs';
import { ask, findProgram, isExecutable, run, withCleanup } from './programs.mjs';
import { SetupStopped, longPart, say } from './progress.mjs';

/** The path of a usable CLI, in this order: `MODOSU_TEMPORAL_CLI`, PATH, the cache. Null: it must be made. */
export async function findTemporal() {
  const configured = process.env.MODOSU_TEMPORAL_CLI;
  if (configured) {
    if (await isTemporal(configured)) return configured;
    throw new SetupStopped(`MODOSU_TEMPORAL_CLI names ${configured}, which is not a Temporal CLI.\nWhat to do: correct the variable or unset it.`);
  }
  const installed = findProgram('temporal');
  if (installed !== null && (await isTemporal(installed))) return installed;
  return isExecutable(temporalCachePath) ? temporalCachePath : null;
}

async function isTemporal(path) {
  if (!isExecutable(path)) return false;
  return /^temporal version /.test((await ask(path, ['--version'], { timeoutMs: 20_000 })) ?? '');
}

/** Builds the CLI with Go, or, where that cannot be, has Temporal's SDK download it. The cache gets a whole file or none. */
export async function makeTemporal() {
  const directory = dirname(temporalCachePath);
  makeReachableDirectory(dirname(directory));
  const scratch = mkdtempSync(join(dirname(directory), '.temporal-'));
  await withCleanup(
    () => rmSync(scratch, { recursive: true, force: true }),
    async () => {
      const go = await findGo('The Temporal CLI is built with Go, which is missing');
      const made = go === null ? await download(scratch) : await build(go, scratch).catch((error) => downloadAfter(error, scratch));
      if (!(await isTemporal(made))) {
        throw new SetupStopped(`${made} does not answer as a Temporal CLI.\nWhat to do: install it by hand and set MODOSU_TEMPORAL_CLI to its path.`);
      }
      chmodSync(made, 0o755);
      mkdirSync(directory, { recursive: true, mode: 0o755 });
      chmodSync(directory, 0o755);
      renameSync(made, temporalCachePath);
    },
  );
}

const build = (go, scratch) =>
  buildWithGo(go, {
    title: `Building the Temporal CLI ${temporalVersion} with ${go}`,
    module: `github.com/temporalio/cli/cmd/temporal@v${temporalVersion}`,
    directory: scratch,
    expected: '5 min on two cores',
    advice: 'check that the Go module proxy can be reached (go env GOPROXY), or install the Temporal CLI and set MODOSU_TEMPORAL_CLI to its path.',
  });

async function downloadAfter(error, scratch) {
  say(error.message);
  say('Trying a download instead.');
  return download(scratch);
}

/** Last resort: blocked in many networks. */
async function download(scratch) {
  const script =
    "const { TestWorkflowEnvironment } = require('@temporalio/testing');" +
    "TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'cached-download', version: process.argv[2], downloadDir: process.argv[1] } } })" +
    '.then((env) => env.teardown()).then(() => process.exit(0), (error) => { console.error(String(error)); process.exit(1); });';
  await longPart(
    'Downloading the Temporal CLI through its SDK',
    {
      expected: '1 min',
      advice:
        'install Go 1.25 or newer and start again, so that the CLI can be built;\n' + 'or install the Temporal CLI and set MODOSU_TEMPORAL_CLI to its path.',
    },
    (onLine) => run(process.execPath, ['-e', script, scratch, `v${temporalVersion}`], { cwd: projectRoot, onLine, timeoutMs: 5 * 60_000 }),
  );
  const file = readdirSync(scratch).find((name) => name.startsWith('temporal'));
  if (file === undefined || !existsSync(join(scratch, file))) {
    throw new SetupStopped('The SDK left no Temporal CLI.\nWhat to do: install it and set MODOSU_TEMPORAL_CLI to its path.');
  }
  chmodSync(join(scratch, file), 0o755);
  return join(scratch, file);
}
