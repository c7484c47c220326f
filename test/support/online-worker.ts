import { readFileSync } from 'node:fs';
import type { OnlineBackupRequest } from '../../src/hypervisors/hypervisor';
import { createLibvirtHypervisor } from '../../src/hypervisors/libvirt/libvirt-hypervisor';
import { SOURCE_GUARD } from './guard-command';

/** A process that does nothing but one online backup, to be killed. Says "begun {…}" and "followed {…}". */
async function main(): Promise<void> {
  const { stateDirectory, request } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as { stateDirectory: string; request: OnlineBackupRequest };
  const hypervisor = createLibvirtHypervisor({ name: 'lab', uri: 'qemu:///system', stateDirectory, guardCommand: SOURCE_GUARD });
  const { signal } = new AbortController();
  process.stdout.write('ready\n');
  process.stdout.write(`begun ${JSON.stringify(await hypervisor.beginOnlineBackup(request, { signal }))}\n`);
  process.stdout.write(
    `followed ${JSON.stringify(await hypervisor.followOnlineBackup({ ...request, runId: request.fence.runId }, { signal, onProgress: () => undefined }))}\n`,
  );
}

void main();
