import { ModosuError } from '../../src/contracts/errors';
import { mustRun, runProgram } from './run-program';

/** `test/guests/recipe/guests.mjs` puts the boot partition there. */
const BOOT_PARTITION_OFFSET_BYTES = 1024 * 1024;
const BOOT_PARTITION_ZEROED_BYTES = 1024 * 1024;
/** The disk signature begins at 440, the partition table at 446: both stay. */
const BOOT_CODE_BYTES = 440;
/** The mark of a boot record. Left in place, the BIOS would run the zeros for ever, at the cost of a whole core. */
const BOOT_MARK = { offset: 510, bytes: 2 };

/**
 * Makes a *stopped* guest unable to start, for real: zeroes the boot code and the mark of the boot record (not the entries of the partition
 * table) and the first MiB of the boot partition. Everything else on the disk stays. Works on qcow2 and raw, also for the UEFI guest. Idempotent.
 * Throws `HYPERVISOR_COMMAND_FAILED` when the disk is in use: QEMU locks it.
 */
export async function breakBoot(diskPath: string, format?: 'qcow2' | 'raw'): Promise<void> {
  const driver = format ?? (await detectFormat(diskPath));
  const write = (offset: number, bytes: number): string[] => ['-c', `write -P 0 ${offset} ${bytes}`];
  const output = await mustRun('HYPERVISOR_COMMAND_FAILED', 'qemu-io', [
    '-f',
    driver,
    ...write(0, BOOT_CODE_BYTES),
    ...write(BOOT_MARK.offset, BOOT_MARK.bytes),
    ...write(BOOT_PARTITION_OFFSET_BYTES, BOOT_PARTITION_ZEROED_BYTES),
    '-c',
    'flush',
    diskPath,
  ]);
  // Some versions of qemu-io end with 0 although a write has failed.
  if (output.match(/^wrote (\d+)\/\1 bytes/gm)?.length !== 3) {
    throw new ModosuError('HYPERVISOR_COMMAND_FAILED', `qemu-io did not write all parts of ${diskPath}: ${output.trim()}`);
  }
}

async function detectFormat(diskPath: string): Promise<'qcow2' | 'raw'> {
  const { stdout } = await runProgram('qemu-img', ['info', '--output=json', diskPath]);
  return (JSON.parse(stdout) as { format: string }).format === 'qcow2' ? 'qcow2' : 'raw';
}
