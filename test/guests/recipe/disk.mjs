/** A bootable disk without mounting anything: boot record, FAT boot partition, ext4 root partition. */
import { chmodSync, closeSync, existsSync, openSync, readFileSync, readSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../../scripts/setup/programs.mjs';
import { BOOT_OFFSET_BYTES, BOOT_SIZE_BYTES, MIB, ROOT_OFFSET_BYTES } from './guests.mjs';

const SECTOR = 512;
const PARTITION_LINUX = 0x83;
const PARTITION_FAT16_LBA = 0x0e;
const PARTITION_EFI_SYSTEM = 0xef;

/**
 * `norandmaps`: emulation translates code again wherever it lies at another address, so that with random ones a third of a guest's time, and three quarters of
 * what it takes to start a program, go into translating the same libraries.
 *
 * `no_timer_check`: the kernel counts whether ticks arrive while it waits, and panics ("IO-APIC + timer doesn't work!") where the emulator was not given the
 * processor in that moment, as on a busy machine. Under KVM it leaves that check out by itself.
 */
const KERNEL_ARGUMENTS = 'root=/dev/vda2 console=ttyS0 quiet loglevel=3 mitigations=off audit=0 apparmor=0 selinux=0 norandmaps no_timer_check';

/**
 * Makes `target` (qcow2) from a root tree.
 * @param {{ guest: { firmware: 'bios'|'uefi', rootSizeBytes: number }, tree: string, kernel: string, initrd: string, bootTools: string, target: string,
 * workDir: string }} options
 */
export async function buildDisk({ guest, tree, kernel, initrd, bootTools, target, workDir }) {
  const bootImage = join(workDir, 'boot.fat');
  const disk = join(workDir, 'disk.raw');
  await buildBootPartition({ firmware: guest.firmware, bootImage, kernel, initrd, bootTools, workDir });
  writeFileSync(disk, bootRecord(guest, bootTools));
  truncateSync(disk, ROOT_OFFSET_BYTES + guest.rootSizeBytes);
  copyInto(disk, bootImage, BOOT_OFFSET_BYTES);
  await run('mke2fs', [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-m',
    '0',
    '-L',
    'root',
    '-O',
    '^metadata_csum',
    '-J',
    'size=8',
    '-d',
    tree,
    '-E',
    `offset=${ROOT_OFFSET_BYTES},root_owner=0:0`,
    disk,
    `${guest.rootSizeBytes / 1024}k`,
  ]);
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', disk, target]);
  chmodSync(target, 0o644);
}

async function buildBootPartition({ firmware, bootImage, kernel, initrd, bootTools, workDir }) {
  writeFileSync(bootImage, '');
  truncateSync(bootImage, BOOT_SIZE_BYTES);
  await run('mkfs.fat', ['-F', '16', '-n', 'BOOT', '-h', String(BOOT_OFFSET_BYTES / SECTOR), bootImage]);
  const copy = (source, name) => run('mcopy', ['-i', bootImage, source, `::${name}`]);
  const write = async (text, name) => {
    const file = join(workDir, 'boot-file');
    writeFileSync(file, text);
    await copy(file, name);
  };
  if (firmware === 'bios') {
    await run(join(bootTools, 'usr/bin/syslinux'), ['--install', bootImage]);
    await write(`DEFAULT guest\nPROMPT 0\nTIMEOUT 0\nLABEL guest\n  LINUX vmlinuz\n  INITRD initrd\n  APPEND ${KERNEL_ARGUMENTS}\n`, 'syslinux.cfg');
  } else {
    await run('mmd', ['-i', bootImage, '::EFI', '::EFI/BOOT', '::loader', '::loader/entries']);
    await copy(join(bootTools, 'usr/lib/systemd/boot/efi/systemd-bootx64.efi'), 'EFI/BOOT/BOOTX64.EFI');
    await write('timeout 0\nauto-firmware no\n', 'loader/loader.conf');
    await write(`title guest\nlinux /vmlinuz\ninitrd /initrd\noptions ${KERNEL_ARGUMENTS}\n`, 'loader/entries/guest.conf');
  }
  await copy(kernel, 'vmlinuz');
  await copy(initrd, 'initrd');
}

/** The first sector: syslinux's boot code (nothing for UEFI) and a table of two partitions. */
export function bootRecord(guest, bootTools) {
  const sector = Buffer.alloc(SECTOR);
  const bios = guest.firmware === 'bios';
  if (bios) {
    const code = join(bootTools, 'usr/lib/syslinux/mbr/mbr.bin');
    if (!existsSync(code)) throw new Error(`${code} is missing from the syslinux packages.`);
    readFileSync(code).copy(sector, 0, 0, 440);
  }
  sector.write('mods', 440, 'latin1'); // disk signature
  writePartition(sector, 0, { active: bios, type: bios ? PARTITION_FAT16_LBA : PARTITION_EFI_SYSTEM, offset: BOOT_OFFSET_BYTES, size: BOOT_SIZE_BYTES });
  writePartition(sector, 1, { active: false, type: PARTITION_LINUX, offset: ROOT_OFFSET_BYTES, size: guest.rootSizeBytes });
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

function writePartition(sector, index, { active, type, offset, size }) {
  const at = 446 + index * 16;
  sector[at] = active ? 0x80 : 0;
  sector.write('feffff', at + 1, 'hex'); // cylinder, head and sector: beyond what they can say
  sector[at + 4] = type;
  sector.write('feffff', at + 5, 'hex');
  sector.writeUInt32LE(offset / SECTOR, at + 8);
  sector.writeUInt32LE(size / SECTOR, at + 12);
}

function copyInto(disk, source, offset) {
  const from = openSync(source, 'r');
  const to = openSync(disk, 'r+');
  try {
    const buffer = Buffer.alloc(MIB);
    for (let at = 0; ;) {
      const length = readSync(from, buffer, 0, MIB, at);
      if (length === 0) return;
      writeSync(to, buffer, 0, length, offset + at);
      at += length;
    }
  } finally {
    closeSync(from);
    closeSync(to);
  }
}
