// Bundles the compiled workflows into one file that every worker loads: made once, so that production, tests and replays run the same code.
import { existsSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { bundleWorkflowCode, DefaultLogger } = createRequire(import.meta.url)('@temporalio/worker');

const workflowsPath = join(root, 'dist', 'workflows', 'index.js');
const failureConverterPath = join(root, 'dist', 'src', 'temporal', 'failure-converter.js');
const target = join(root, 'dist', 'workflow-bundle.js');

for (const path of [workflowsPath, failureConverterPath]) {
  if (!existsSync(path)) {
    process.stderr.write(`${path} is missing. Run "npm run build", which compiles first.\n`);
    process.exit(1);
  }
}

const logger = new DefaultLogger('WARN', ({ level, message }) => process.stderr.write(`${level} ${message}\n`));
const { code } = await bundleWorkflowCode({ workflowsPath, failureConverterPath, logger });
// A worker that starts meanwhile sees the old bundle or the new one, never half of one.
await writeFile(`${target}.tmp`, code);
await rename(`${target}.tmp`, target);
