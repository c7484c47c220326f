import { spawn } from 'node:child_process';
import type { ErrorCode } from '../../src/contracts/error-codes';
import { ModosuError } from '../../src/contracts/errors';

export interface ProgramResult {
  /** Null: the program was killed, or did not end in time. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  /** Default 60 s; then the program is killed. */
  readonly timeoutMs?: number;
}

/** Runs a program without a shell and gives its end, whatever it was. Throws `PROGRAM_MISSING` when it cannot be started. */
export function runProgram(command: string, args: readonly string[], options: ProgramOptions = {}): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, LC_ALL: 'C.UTF-8' } });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
    child.on('error', (cause) => {
      clearTimeout(timer);
      reject(new ModosuError('PROGRAM_MISSING', `${command} could not be started: ${cause.message}`, { cause }));
    });
    child.on('close', (exitCode) => {
      clearTimeout(timer);
      resolve({ exitCode, stdout, stderr });
    });
  });
}

/** As `runProgram`, but throws `code` with the program's message unless it ended with 0. Returns standard output. */
export async function mustRun(code: ErrorCode, command: string, args: readonly string[], options: ProgramOptions = {}): Promise<string> {
  const result = await runProgram(command, args, options);
  if (result.exitCode === 0) return result.stdout;
  const how = result.exitCode === null ? 'was killed or did not end in time' : `ended with exit code ${result.exitCode}`;
  throw new ModosuError(code, `${command} ${args[0] ?? ''} ${how}: ${result.stderr.trim().slice(-2000)}`);
}

/** `virsh` on this host's system connection. Throws `HYPERVISOR_COMMAND_FAILED` unless another code is given. */
export const virsh = (args: readonly string[], options: ProgramOptions & { readonly code?: ErrorCode } = {}): Promise<string> =>
  mustRun(options.code ?? 'HYPERVISOR_COMMAND_FAILED', 'virsh', ['-q', '-c', 'qemu:///system', ...args], { timeoutMs: 30_000, ...options });
