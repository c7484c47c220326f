import type { ErrorCode } from './error-codes';
import { ModosuError } from './errors';
import { quoted } from './text';

/** What is named, and no estate that was applied declares. */

const notDeclared =
  (code: ErrorCode, what: string, key: string) =>
  (name: string): ModosuError =>
    new ModosuError(code, `No ${what} named ${quoted(name)} is declared.`, { context: { [key]: name.slice(0, 128) } });

export const hypervisorNotConfigured = notDeclared('HYPERVISOR_NOT_CONFIGURED', 'hypervisor', 'hypervisor');
export const repositoryNotConfigured = notDeclared('REPOSITORY_NOT_CONFIGURED', 'image repository', 'repository');
export const offsiteNotConfigured = notDeclared('OFFSITE_NOT_CONFIGURED', 'off-site repository', 'offsite');
