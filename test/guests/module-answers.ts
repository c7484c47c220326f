import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..');

/**
 * Evaluates an expression with the exports of an ES module of this checkout as `module`, and `input`, in a Node.js of its own
 * (Jest cannot load ES modules), and returns its awaited value, which must survive JSON.
 */
export function askModule(path: string, expression: string, input: unknown = null, env: Readonly<Record<string, string>> = {}): unknown {
  const program =
    `import * as module from ${JSON.stringify(join(ROOT, path))};` +
    `const input = ${JSON.stringify(input)};` +
    `process.stdout.write(JSON.stringify((await (${expression})) ?? null));`;
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', env: { ...process.env, ...env }, timeout: 60_000 });
  if (result.status !== 0) throw new Error(`${path}: ${result.stderr}`);
  return JSON.parse(result.stdout) as unknown;
}
