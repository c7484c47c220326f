/**
 * Child processes of the set-up: argv arrays, no shell, ended together with us.
 *
 * Cleanups registered here run on Ctrl-C, SIGTERM and SIGHUP too, so that nothing half-made is left behind.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const children = new Set();
const cleanups = new Set();
let interruptedBy = null;

/** A program ended with another exit code than 0, was killed, or could not be started. `output` is the beginning and the end of what it wrote. */
export class ProgramFailed extends Error {
  constructor(message, { exitCode = null, output = '' } = {}) {
    super(message);
    this.name = 'ProgramFailed';
    this.exitCode = exitCode;
    this.output = output;
  }
}

/** Of what a program wrote: the reason of a failure stands at the beginning (npm) or at the end (apt, Go). */
const HEAD_LINES = 12;
const TAIL_LINES = 28;

/**
 * Runs a program to its end and returns what it wrote to standard output and standard error.
 *
 * `onLine` is called with each line of either. `input` goes to standard input, which is empty otherwise. `timeoutMs` kills it.
 * `patient`: at an interruption the program is asked to stop and waited for (for dpkg, which must not be
 * killed in the middle of a package); all others are killed, also when this process itself is.
 * Lines that match `noise` go to `onLine` alone, not into an error's output.
 */
export function run(command, args = [], { cwd, env, input, onLine, timeoutMs, patient = false, noise = null, maxOutput = 32 * 1024 * 1024 } = {}) {
  if (interruptedBy !== null) return Promise.reject(new ProgramFailed(`interrupted by ${interruptedBy}`));
  const tied = !patient && findProgram('setpriv') !== null;
  const argv = tied ? ['setpriv', '--pdeathsig', 'KILL', '--', command, ...args] : [command, ...args];
  return new Promise((resolvePromise, reject) => {
    const child = spawn(argv[0], argv.slice(1), {
      cwd,
      env: { ...process.env, LC_ALL: 'C.UTF-8', ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true, // a group of its own, so that its children can be ended with it
    });
    const entry = { child, patient };
    children.add(entry);
    const head = [];
    const tail = [];
    let left = 0;
    const captured = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr']) {
      let rest = '';
      child[stream].setEncoding('utf8');
      child[stream].on('data', (text) => {
        if (captured[stream].length < maxOutput) captured[stream] += text;
        const lines = (rest + text).split(/\r?\n|\r/);
        rest = lines.pop();
        for (const line of lines) take(line);
      });
      child[stream].on('end', () => take(rest));
    }
    const take = (line) => {
      if (line.trim() === '') return;
      onLine?.(line);
      if (noise?.test(line)) return;
      if (head.length < HEAD_LINES) return void head.push(line);
      tail.push(line);
      if (tail.length > TAIL_LINES) {
        tail.shift();
        left += 1;
      }
    };
    let timedOut = false;
    const timer = timeoutMs === undefined ? null : setTimeout(() => ((timedOut = true), killGroup(child, 'SIGKILL')), timeoutMs);
    child.stdin.on('error', () => {}); // the program may end before it has read everything; its exit code tells
    child.stdin.end(input ?? '');
    child.on('error', (cause) => {
      if (timer !== null) clearTimeout(timer);
      children.delete(entry);
      reject(new ProgramFailed(`${command} could not be started: ${cause.message}`));
    });
    child.on('close', (exitCode, signal) => {
      if (timer !== null) clearTimeout(timer);
      children.delete(entry);
      const output = [...head, ...(left > 0 ? [`… ${left} lines`] : []), ...tail].join('\n');
      if (exitCode === 0) return resolvePromise(captured);
      const how = timedOut ? `did not end within ${timeoutMs / 1000} s` : signal === null ? `ended with exit code ${exitCode}` : `was ended by ${signal}`;
      reject(new ProgramFailed(`${[command, ...args].join(' ')} ${how}`, { exitCode, output }));
    });
  });
}

/** As `run`, for questions: returns standard output, or null when the program is missing or fails. */
export async function ask(command, args = [], options = {}) {
  try {
    return (await run(command, args, options)).stdout;
  } catch {
    return null;
  }
}

/** Starts a daemon that goes on after us; resolves when the program that started it has returned. */
export function startDaemon(command, args) {
  return new Promise((resolvePromise, reject) => {
    const child = spawn(command, args, { stdio: 'ignore', detached: true });
    child.on('error', (cause) => reject(new ProgramFailed(`${command} could not be started: ${cause.message}`)));
    child.on('exit', (code) => (code === 0 ? resolvePromise() : reject(new ProgramFailed(`${command} ended with exit code ${code}`))));
  });
}

/** The absolute path of a program on PATH or in the directories of system programs, which `sudo` and plain users may lack. Null: not there. */
export function findProgram(name, extraDirectories = []) {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', ...extraDirectories];
  for (const directory of directories.filter(Boolean)) {
    const path = join(directory, name);
    if (isExecutable(path)) return path;
  }
  return null;
}

export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Runs `work` and then `cleanup`, whether `work` returns, throws or is interrupted by a signal. `cleanup` is synchronous and idempotent. */
export async function withCleanup(cleanup, work) {
  cleanups.add(cleanup);
  try {
    return await work();
  } finally {
    cleanups.delete(cleanup);
    cleanup();
  }
}

export const interruption = () => interruptedBy;

/** Ends all children, runs the cleanups and exits with 128 + signal. Called once by a program's entry file. */
export function exitCleanlyOnSignals() {
  const codes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };
  for (const [signal, exitCode] of Object.entries(codes)) {
    process.on(signal, () => {
      if (interruptedBy !== null) return;
      interruptedBy = signal;
      void endChildren().then(() => {
        for (const cleanup of cleanups) attempt(cleanup);
        process.exit(exitCode);
      });
    });
  }
}

async function endChildren() {
  // apt finishes the package it is at when it is interrupted; its dpkg must not be hit.
  for (const { child, patient } of children) {
    if (patient) child.kill('SIGINT');
    else killGroup(child, 'SIGTERM');
  }
  await Promise.all([...children].map(endChild));
}

async function endChild({ child, patient }) {
  const ended = new Promise((resolvePromise) => child.once('close', resolvePromise));
  const timer = setTimeout(() => killGroup(child, 'SIGKILL'), patient ? 120_000 : 3_000);
  await ended;
  clearTimeout(timer);
}

function killGroup(child, signal) {
  attempt(() => process.kill(-child.pid, signal));
}

function attempt(action) {
  try {
    action();
  } catch {
    // The process has gone, or the file never was: nothing is left to undo.
  }
}
