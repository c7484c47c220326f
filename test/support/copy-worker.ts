import { createLibvirtHypervisor } from '../../src/hypervisors/libvirt/libvirt-hypervisor';

/** A process that does nothing but one slow copy, to be killed. Says "copying" as soon as bytes have moved. */
async function main(): Promise<void> {
  const [stateDirectory = '', uuid = '', targetPath = ''] = process.argv.slice(2);
  const hypervisor = createLibvirtHypervisor({ name: 'lab', uri: 'qemu:///system', stateDirectory });
  await hypervisor.exportDisk(
    { server: { uuid, name: 'server' }, target: 'vda', targetPath },
    {
      signal: new AbortController().signal,
      rateLimitBytesPerSecond: 1024 * 1024,
      onProgress: ({ doneBytes }) => {
        if (doneBytes > 0) process.stdout.write('copying\n');
      },
    },
  );
  process.stdout.write('finished\n');
}

void main();
