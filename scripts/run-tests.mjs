#!/usr/bin/env node
// Runs the test tiers one after the other and closes with one line that counts all of them: "N passed, N failed, N skipped".
//   node scripts/run-tests.mjs                 lint, build and every tier of `npm test`
//   node scripts/run-tests.mjs --tier unit     the named tier(s) alone, without lint
//   node scripts/run-tests.mjs --full          also what is too long for `npm test`
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const isFull = process.argv.includes('--full');
const TIERS = [
  { name: 'unit', paths: ['src/', 'workflows/', 'activities/', 'demo/', 'bench/', 'test/guests/'], jestArgs: ['--maxWorkers=2'] },
  {
    name: 'contract',
    paths: ['test/contract/'],
    onlyFull: ['test/contract/guest-agent.ssh.spec.ts', 'test/contract/hostile-agent.spec.ts', 'test/contract/offsite-repository.s3.spec.ts'],
    jestArgs: ['--maxWorkers=3'],
  },
  { name: 'integration', paths: ['test/integration/'], jestArgs: ['--maxWorkers=3'], needsBuild: true },
  { name: 'workflows', paths: ['test/workflows/'], jestArgs: ['--maxWorkers=3'], needsBuild: true },
  // Guests and installations mostly wait: three at a time. The death of libvirtd is alone; of all deaths, hundreds, each is.
  {
    name: 'e2e',
    paths: ['test/e2e/'],
    without: ['test/e2e/deaths-libvirtd.spec.ts', ...(isFull ? ['test/e2e/deaths.spec.ts'] : [])],
    onlyFull: [
      'test/e2e/activity-gate.spec.ts',
      'test/e2e/demo.spec.ts',
      'test/e2e/salvage.spec.ts',
      'test/e2e/guest-boots.spec.ts',
      'test/e2e/data-faults.spec.ts',
      'test/e2e/data-secrets.spec.ts',
      'test/e2e/data-ssh.spec.ts',
      'test/e2e/ended-outside.spec.ts',
      'test/e2e/offsite-data.spec.ts',
      'test/e2e/restore-set.spec.ts',
      'test/e2e/restore-set-replication.spec.ts',
    ],
    jestArgs: ['--maxWorkers=3'],
    needsBuild: true,
  },
  { name: 'deaths', paths: [`test/e2e/deaths${isFull ? '' : '-libvirtd'}`], jestArgs: ['--runInBand'], needsBuild: true },
  // Last: whether all tiers together have run every command of the documents.
  { name: 'documentation', paths: ['test/documentation/'], jestArgs: ['--runInBand'] },
];

const root = fileURLToPath(new URL('..', import.meta.url));
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

const args = process.argv.slice(2);
const wanted = args.flatMap((arg, index) => (arg === '--tier' ? [args[index + 1]] : []));
const unknown = wanted.filter((name) => !TIERS.some((tier) => tier.name === name));
if (unknown.length > 0) {
  console.error(`Unknown tier ${unknown.join(', ')}. Tiers: ${TIERS.map(({ name }) => name).join(', ')}.`);
  process.exit(2);
}
const tiers = TIERS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
// The seed chooses which deaths the tiers e2e and deaths cause (test/e2e/deaths.contract.ts); the same seed chooses the same.
const env = { ...process.env, FORCE_COLOR: '0', MODOSU_TEST_FULL: isFull ? '1' : '', MODOSU_TEST_SEED: process.env.MODOSU_TEST_SEED ?? '1' };

const children = new Set();
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    for (const child of children) child.kill(signal);
    process.exitCode = 130;
    setTimeout(() => process.exit(130), 30_000).unref();
  });
}

const run = (command, commandArgs) =>
  new Promise((resolve) => {
    const child = spawn(command, commandArgs, { stdio: 'inherit', env });
    children.add(child);
    child.on('error', () => resolve(127));
    child.on('close', (code, signal) => {
      children.delete(child);
      resolve(signal ? 130 : code);
    });
  });

if (tiers.some(({ name }) => name === 'deaths' || name === 'e2e')) {
  console.log(`MODOSU_TEST_SEED=${env.MODOSU_TEST_SEED}${env.MODOSU_TEST_FULL ? ', all cases' : ''}`);
}

const total = { passed: 0, failed: 0, skipped: 0 };
/** A line for each failed test, printed once more at the end: what a tier has printed about it may be thousands of lines above. */
const failures = [];
const collectFailures = (result) => {
  for (const { name, message, status, assertionResults } of result.testResults) {
    const failed = assertionResults.filter(({ status }) => status === 'failed');
    for (const { fullName, failureMessages } of failed) failures.push(`${relative(root, name)}: ${fullName}\n    ${firstLines(failureMessages[0])}`);
    // It could not be loaded, or what comes before or after its tests has failed.
    if (status === 'failed' && failed.length === 0) failures.push(`${relative(root, name)}\n    ${firstLines(message)}`);
  }
};
/** What to look at when the suite has become slow: a test's seconds do not hold what comes before all tests of its file. */
const durations = { files: [], tests: [] };
const collectDurations = (result) => {
  for (const { name, startTime, endTime, assertionResults } of result.testResults) {
    durations.files.push({ ms: endTime - startTime, title: relative(root, name) });
    for (const { fullName, duration } of assertionResults) durations.tests.push({ ms: duration ?? 0, title: `${relative(root, name)}: ${fullName}` });
  }
};
const slowest = (entries) =>
  entries
    .sort((a, b) => b.ms - a.ms)
    .slice(0, 10)
    .map(({ ms, title }) => `  ${String(Math.round(ms / 1000)).padStart(5)} s  ${title}`)
    .join('\n');
/** Last: whoever keeps only the end of what was printed still reads which tests have failed. */
const names = (entries) => entries.map((entry) => `  ${entry.split('\n')[0].slice(0, 200)}`).join('\n');
/** Enough for what was expected and what came instead, without where: the tier has printed all of it. */
const firstLines = (text) =>
  (text ?? '')
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^\s+at /.test(line))
    .slice(0, 12)
    .map((line) => line.trim().slice(0, 300))
    .join('\n    ');

/**
 * `onlyFull`: specs of what tests are made with, of guests that every other spec boots too, deaths and secrets of data, SSH, an S3 server (built for it), salvage (its parts are in `contract` and
 * `workflows`), and the demo, every step of which other specs take too: together an hour of a slow machine.
 */
const leftOut = ({ without = [], onlyFull = [] }) => [...without, ...(env.MODOSU_TEST_FULL ? [] : onlyFull)];

let broken = false;

const stage = async (title, work) => {
  const startedAt = Date.now();
  console.log(`\n== ${title}`);
  const ok = await work();
  console.log(`== ${title}: ${ok ? 'ok' : 'FAILED'} (${Math.round((Date.now() - startedAt) / 1000)} s)`);
  if (!ok) broken = true;
};

const script = (name) => async () => (await run('npm', ['run', '--silent', name])) === 0;
/** Two rows of about the same length, for two processors. */
const rows = [
  wanted.length === 0 ? ['lint:rules', 'lint:form'] : [],
  [...(tiers.some(({ needsBuild }) => needsBuild) ? ['build'] : []), ...(wanted.length === 0 ? ['lint:types', 'lint:imports'] : [])],
];
await Promise.all(
  rows.map(async (row) => {
    for (const name of row) if (process.exitCode !== 130) await stage(name, script(name));
  }),
);

const reports = mkdtempSync(join(tmpdir(), 'modosu-tests-'));
if (wanted.length === 0) {
  // Tests write down here which commands they run (test/support/command-ledger.ts).
  env.MODOSU_TEST_LEDGER = join(reports, 'commands');
  writeFileSync(env.MODOSU_TEST_LEDGER, '');
}
try {
  for (const tier of broken ? [] : tiers) {
    await stage(tier.name, async () => {
      const report = join(reports, `${tier.name}.json`);
      const code = await run(process.execPath, [
        'node_modules/jest/bin/jest.js',
        ...tier.jestArgs,
        '--json',
        `--outputFile=${report}`,
        ...leftOut(tier).map((path) => `--testPathIgnorePatterns=^${escaped(join(root, path))}`),
        '--testPathPatterns',
        ...tier.paths.map((path) => `^${escaped(join(root, path))}`),
      ]);
      try {
        const result = JSON.parse(readFileSync(report, 'utf8'));
        total.passed += result.numPassedTests;
        total.failed += result.numFailedTests + result.numRuntimeErrorTestSuites;
        total.skipped += result.numPendingTests + result.numTodoTests;
        collectFailures(result);
        collectDurations(result);
        return code === 0 && result.numTotalTests > 0;
      } catch {
        total.failed += 1;
        return false;
      }
    });
    if (process.exitCode === 130) break;
  }
} finally {
  rmSync(reports, { recursive: true, force: true });
}

if (broken && total.failed === 0) total.failed = 1;
if (durations.tests.length > 0) console.log(`\nSlowest files:\n${slowest(durations.files)}\nSlowest tests:\n${slowest(durations.tests)}`);
if (failures.length > 0) {
  console.log(`\nWhy tests failed:\n${failures.map((failure) => `  ${failure}`).join('\n')}\n\nFailed:\n${names(failures)}`);
}
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(broken || total.failed > 0 ? 1 : (process.exitCode ?? 0));
