import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ModosuError } from '../contracts/errors';

/** Made by scripts/build-workflow-bundle.mjs; beside `dist/src`. */
const WORKFLOW_BUNDLE_PATH = join(__dirname, '..', '..', 'workflow-bundle.js');

/** Throws `PROGRAM_MISSING` when the build has not made it. */
export function builtWorkflowBundle(path: string = WORKFLOW_BUNDLE_PATH): { readonly codePath: string } {
  if (existsSync(path)) return { codePath: path };
  throw new ModosuError('PROGRAM_MISSING', `The workflow bundle ${path} is missing.`, { hint: 'Build it with `npm run build`.' });
}
