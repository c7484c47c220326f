import { execFileSync } from 'node:child_process';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guestDomainXml, type GuestDomain } from './guest-domain-xml';
import { breakBoot, layWire } from './guest-server';

const MIB = 1024 * 1024;

const domain: GuestDomain = {
  name: 'db01',
  uuid: '6f1c5a0e-3a53-4d0c-9a41-0f3f4c7b9d11',
  domainType: 'qemu',
  memoryMiB: 256,
  disks: [{ target: 'vda', path: '/var/lib/x/a & b\'s "<disk>".qcow2', format: 'qcow2' }],
  uefi: null,
  generationId: false,
  cdrom: null,
  lan: null,
  consoleLog: '/var/lib/x/db01.console.log',
};

describe('the definition of a guest', () => {
  it('keeps strange characters of paths inside their attributes', () => {
    expect(guestDomainXml(domain)).toContain('<source file="/var/lib/x/a &#38; b&#39;s &#34;&#60;disk&#62;&#34;.qcow2"/>');
  });

  it('has firmware, generation id and CD-ROM only when asked for', () => {
    const plain = guestDomainXml(domain);
    expect(plain).not.toMatch(/<genid|<nvram|<loader|device="cdrom"/);
    const full = guestDomainXml({ ...domain, uefi: { loader: '/ovmf/code.fd', nvram: '/x/db01.nvram.fd' }, generationId: true, cdrom: '/x/cd.iso' });
    expect(full).toContain('<genid/>');
    expect(full).toContain('<loader readonly="yes" type="pflash">/ovmf/code.fd</loader>');
    expect(full).toContain('<nvram>/x/db01.nvram.fd</nvram>');
    expect(full).toContain('<disk type="file" device="cdrom"><driver name="qemu" type="raw"/><source file="/x/cd.iso"/>');
  });

  it('has a second NIC on a LAN, after the one to the host: its end of the wire, on loopback alone', () => {
    const xml = guestDomainXml({ ...domain, lan: { address: '192.168.77.11/24', port: 20_001, peerPort: 20_002 } });
    expect(xml.match(/<interface type="\w+"/g)).toEqual(['<interface type="user"', '<interface type="udp"']);
    expect(xml).toContain('<source address="127.0.0.1" port="20002"><local address="127.0.0.1" port="20001"/></source>');
  });

  it('has wires with two ends that fit', async () => {
    const [one, other] = await layWire(['192.168.77.11/24', '192.168.77.12/24']);
    expect([one.port, one.peerPort]).toEqual([other.peerPort, other.port]);
    expect(one.port).not.toBe(other.port);
  });
});

describe('breaking the boot', () => {
  let directory: string;
  beforeEach(async () => (directory = await mkdtemp(join(tmpdir(), 'modosu-break-'))));
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it.each(['raw', 'qcow2'] as const)('zeroes boot code, boot mark and the start of the boot partition of a %s disk, and nothing else', async (format) => {
    const raw = join(directory, 'disk.raw');
    await writeFile(raw, Buffer.alloc(4 * MIB, 0xaa));
    const disk = join(directory, `disk.${format}`);
    if (format === 'qcow2') execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, disk]);

    await breakBoot(disk, format);
    await breakBoot(disk, format);

    if (format === 'qcow2') execFileSync('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', disk, raw]);
    const expected = Buffer.alloc(4 * MIB, 0xaa)
      .fill(0, 0, 440)
      .fill(0, 510, 512)
      .fill(0, MIB, 2 * MIB);
    const file = await open(raw);
    const found = await file.readFile();
    await file.close();
    expect(found.equals(expected)).toBe(true);
  });

  it('says so when the disk is not there', async () => {
    await expect(breakBoot(join(directory, 'none.raw'), 'raw')).rejects.toMatchObject({ code: 'HYPERVISOR_COMMAND_FAILED' });
  });
});
