import { describeDomain, fingerprint, oldDisksOf, parseDomain } from './domain-xml';
import { readFence } from './fence-xml';
import { rewriteForReturn, rewriteForSwap, withFence, type Rewrite } from '../swaps/domain-rewrite';

const FENCE = { runId: 'run_01aaaaaaaaaaaaaaaaaaaaaaaa', token: 7 };
const DEFINITION = `<domain type='kvm'>
  <name>db01</name>
  <uuid>3f0c9c1e-1111-4222-8333-444455556666</uuid>
  <genid>11111111-2222-4333-8444-555555555555</genid>
  <metadata>
    <app:note xmlns:app="https://example.org/app" level="2">kept &amp; whole</app:note>
  </metadata>
  <memory unit='MiB'>512</memory>
  <vcpu placement='static'>2</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
    <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>/srv/vm/db01_VARS.fd</nvram>
  </os>
  <devices>
    <!-- the system -->
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' discard='unmap'/>
      <source file='/srv/vm/db01.qcow2' index='1'/>
      <backingStore type='file'><format type='raw'/><source file='/srv/base/base.raw'/><backingStore/></backingStore>
      <target dev='vda' bus='virtio'/>
      <boot order='1'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='none'/>
      <source file='/srv/vm/data &amp; more.raw'><seclabel model='dac' relabel='no'/></source>
      <target dev='vdb' bus='scsi'/>
    </disk>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
    <disk type='file' device='floppy'><source file='/srv/f.img'/><target dev='fda'/></disk>
    <interface type='network'><mac address='52:54:00:aa:bb:cc'/><source network='default'/></interface>
    <interface type='user'><mac address='52:54:00:aa:bb:cd'/><link state='down'/></interface>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
  </devices>
</domain>`;

const describe_ = (xml: string): ReturnType<typeof describeDomain> => describeDomain(parseDomain(xml));
const print = (xml: string): string => fingerprint(parseDomain(xml));

describe('describeDomain', () => {
  it('reads everything a backup needs to know', () => {
    expect(describe_(DEFINITION)).toEqual({
      uuid: '3f0c9c1e-1111-4222-8333-444455556666',
      name: 'db01',
      domainType: 'kvm',
      memoryBytes: 512 * 1024 ** 2,
      vcpus: 2,
      disks: [
        { target: 'vda', bus: 'virtio', path: '/srv/vm/db01.qcow2', format: 'qcow2', backing: [{ path: '/srv/base/base.raw', format: 'raw' }] },
        { target: 'vdb', bus: 'scsi', path: '/srv/vm/data & more.raw', format: 'raw', backing: null },
      ],
      unsupportedDisks: [],
      removableMedia: [
        { target: 'sda', source: null },
        { target: 'fda', source: '/srv/f.img' },
      ],
      firmware: 'uefi',
      nvram: { path: '/srv/vm/db01_VARS.fd', format: 'raw' },
      nics: [
        { mac: '52:54:00:aa:bb:cc', type: 'network', source: 'default', linkUp: true },
        { mac: '52:54:00:aa:bb:cd', type: 'user', source: null, linkUp: false },
      ],
      generationId: '11111111-2222-4333-8444-555555555555',
      hasAgentChannel: true,
      hasTpm: false,
      refusals: [],
    });
  });

  const disk = (inner: string, attributes = "type='file' device='disk'"): string =>
    `<domain type='kvm'><devices><disk ${attributes}>${inner}<target dev='vda'/></disk></devices></domain>`;
  const file = "<source file='/x'/>";
  const qcow2 = "<driver type='qcow2'/>";
  it.each([
    ['no format named', disk(file), 'DISK_NOT_SUPPORTED'],
    ['another format', disk(`<driver type='vmdk'/>${file}`), 'DISK_NOT_SUPPORTED'],
    ['no file named', disk(qcow2), 'DISK_NOT_SUPPORTED'],
    ['a relative file', disk(`${qcow2}<source file='x'/>`), 'DISK_NOT_SUPPORTED'],
    ['a block device', disk(`<driver type='raw'/><source dev='/dev/sda'/>`, "type='block' device='disk'"), 'DISK_PASSTHROUGH'],
    ['a SCSI LUN', disk(`<driver type='raw'/><source dev='/dev/sda'/>`, "type='block' device='lun'"), 'DISK_PASSTHROUGH'],
    ['an NVMe device', disk(`<driver type='raw'/><source type='pci'/>`, "type='nvme' device='disk'"), 'DISK_PASSTHROUGH'],
    ['a network disk', disk(`<driver type='raw'/><source protocol='rbd' name='x'/>`, "type='network' device='disk'"), 'DISK_NOT_SUPPORTED'],
    ['a storage pool volume', disk(`${qcow2}<source pool='p' volume='v'/>`, "type='volume' device='disk'"), 'DISK_NOT_SUPPORTED'],
    ['a vhost-user disk', disk(`<driver type='raw'/><source type='unix' path='/s'/>`, "type='vhostuser' device='disk'"), 'DISK_NOT_SUPPORTED'],
    ['a shareable disk', disk(`${qcow2}${file}<shareable/>`), 'DISK_SHARED'],
    ['an encrypted disk', disk(`${qcow2}<source file='/x'><encryption format='luks'/></source>`), 'DISK_NOT_SUPPORTED'],
    [
      'a slice of a file',
      disk(`<driver type='raw'/><source file='/x'><slices><slice type='storage' offset='0' size='1'/></slices></source>`),
      'DISK_NOT_SUPPORTED',
    ],
    ['a data store', disk(`${qcow2}<source file='/x'><dataStore type='file'/></source>`), 'IMAGE_HEADER_REFUSED'],
    [
      'a backing chain on the network',
      disk(`${qcow2}${file}<backingStore type='network'><format type='raw'/><source protocol='nbd'/></backingStore>`),
      'DISK_NOT_SUPPORTED',
    ],
    ['a PCI device', "<domain><devices><hostdev mode='subsystem' type='pci'/></devices></domain>", 'DEVICE_PASSTHROUGH'],
    ['a network card of the host', "<domain><devices><interface type='hostdev'/></devices></domain>", 'DEVICE_PASSTHROUGH'],
    ["the host's TPM", "<domain><devices><tpm><backend type='passthrough'/></tpm></devices></domain>", 'DEVICE_PASSTHROUGH'],
    ['persistent memory', "<domain><devices><memory model='nvdimm'/></devices></domain>", 'DISK_NOT_SUPPORTED'],
    ['NVRAM on the network', "<domain><os><nvram type='network'/></os></domain>", 'DISK_NOT_SUPPORTED'],
  ])('refuses %s', (_what, xml, code) => {
    expect(describe_(xml).refusals.map((refusal) => refusal.code)).toEqual([code]);
    expect(describe_(xml).disks).toEqual([]);
  });

  it.each([
    ['BIOS', '', 'bios', null],
    [
      'NVRAM as a source element',
      "<loader type='pflash'>/c</loader><nvram type='file' format='qcow2'><source file='/v'/></nvram>",
      'uefi',
      { path: '/v', format: 'qcow2' },
    ],
    ['NVRAM that libvirt places', "<loader type='pflash'>/c</loader>", 'uefi', { path: null, format: 'raw' }],
    ['stateless firmware', "<loader type='pflash' stateless='yes'>/c</loader>", 'uefi', null],
    ['a BIOS file', "<loader type='rom'>/c</loader>", 'bios', null],
  ])('reads %s', (_what, os, firmware, nvram) => {
    expect(describe_(`<domain><os>${os}</os></domain>`)).toMatchObject({ firmware, nvram, refusals: [] });
  });

  it.each([
    ['a DOCTYPE', '<!DOCTYPE domain [<!ENTITY a "b">]><domain>&a;</domain>'],
    ['another document', '<network/>'],
    ['half a document', '<domain><name>x</name>'],
    ['an unknown entity', '<domain>&file;</domain>'],
    ['no document', ''],
    ['too much', `<domain>${'x'.repeat(5 * 1024 * 1024)}</domain>`],
  ])('does not read %s', (_what, xml) => {
    expect(() => parseDomain(xml)).toThrow(expect.objectContaining({ code: 'HYPERVISOR_COMMAND_FAILED' }));
  });
});

describe('fingerprint', () => {
  it('does not depend on layout, order of attributes, comments or our fence', () => {
    const rearranged = DEFINITION.replace("unit='MiB'>512", "unit='MiB'>\n512 ")
      .replace("name='qemu' type='qcow2' discard='unmap'", 'discard="unmap" type="qcow2" name="qemu"')
      .replace('<!-- the system -->', '');
    expect(print(rearranged)).toBe(print(DEFINITION));
    expect(print(withFence(DEFINITION, FENCE))).toBe(print(DEFINITION));
    const bare = DEFINITION.replace(/<metadata>[^]*<\/metadata>/, '');
    expect(print(withFence(bare, FENCE))).toBe(print(bare));
    expect(print(bare)).not.toBe(print(DEFINITION));
  });

  it.each([
    ['memory', '512', '513'],
    ['a disk path', 'db01.qcow2', 'db02.qcow2'],
    ['the network', "network='default'", "network='other'"],
    ['metadata of others', 'kept', 'changed'],
  ])('changes with %s', (_what, from, to) => {
    expect(print(DEFINITION.replace(from, to))).not.toBe(print(DEFINITION));
  });
});

const KEPT = { target: 'vdb', path: '/srv/vm/data & more.raw' };

const volume = (target: string, format: 'qcow2' | 'raw'): Rewrite['volumes'][number] => ({
  target,
  replacesPath: null,
  newPath: `/new/${target} & "x"`,
  format,
  virtualSizeBytes: 1,
  flattened: true,
});
const rewrite: Rewrite = {
  volumes: [volume('vda', 'qcow2'), volume('vdb', 'raw')],
  keptDisks: [],
  nvramNewPath: '/new/VARS',
  generationId: '99999999-2222-4333-8444-555555555555',
  fence: FENCE,
  linksDown: [],
  missingMedia: [],
  name: null,
};

describe('rewriteForSwap', () => {
  it('changes disks, NVRAM, generation id and fence, and nothing else', () => {
    const result = describe_(rewriteForSwap(DEFINITION, rewrite));
    const before = describe_(DEFINITION);
    expect(result).toEqual({
      ...before,
      disks: [
        { ...before.disks[0], path: '/new/vda & "x"', backing: null },
        { ...before.disks[1], path: '/new/vdb & "x"' },
      ],
      nvram: { path: '/new/VARS', format: 'raw' },
      generationId: rewrite.generationId,
    });
    const text = rewriteForSwap(DEFINITION, rewrite);
    expect(text).toContain('kept &amp; whole');
    expect(text).toContain('template="/usr/share/OVMF/OVMF_VARS_4M.fd"');
    expect(text).toContain('discard="unmap"');
    expect(text).not.toContain('index=');
    expect(readFence(parseDomain(text))).toEqual({ ...FENCE, released: false });
  });

  it('replaces an older fence, and leaves generation id and NVRAM where nothing is given', () => {
    const text = rewriteForSwap(withFence(DEFINITION, { runId: 'run_old', token: 1 }), { ...rewrite, generationId: null, nvramNewPath: null });
    expect(readFence(parseDomain(text))).toEqual({ ...FENCE, released: false });
    expect(describe_(text)).toMatchObject({ generationId: describe_(DEFINITION).generationId, nvram: describe_(DEFINITION).nvram });
  });

  it('puts down the links it is told to, whatever the case of the letters, and no others', () => {
    const text = rewriteForSwap(DEFINITION, { ...rewrite, linksDown: ['52:54:00:AA:BB:CC', '52:54:00:00:00:00'] });
    expect(describe_(text).nics).toEqual(describe_(DEFINITION).nics.map((nic) => ({ ...nic, linkUp: false })));
    expect(describe_(rewriteForSwap(DEFINITION, rewrite)).nics).toEqual(describe_(DEFINITION).nics);
  });

  it.each([
    ['a disk too few', DEFINITION, { volumes: [volume('vda', 'qcow2')] }],
    ['a disk too many', DEFINITION, { volumes: [...rewrite.volumes, volume('vdc', 'raw')] }],
    ['a disk twice', DEFINITION, { volumes: [volume('vda', 'qcow2'), volume('vda', 'qcow2')] }],
    ['a kept disk with another file', DEFINITION, { volumes: [volume('vda', 'qcow2')], keptDisks: [{ target: 'vdb', path: '/srv/vm/other.raw' }] }],
    ['a kept disk that is not there', DEFINITION, { keptDisks: [{ target: 'vdc', path: '/srv/vm/vdc.raw' }] }],
    ['a disk that is kept and restored', DEFINITION, { keptDisks: [KEPT] }],
    ['a disk that is kept twice', DEFINITION, { volumes: [volume('vda', 'qcow2')], keptDisks: [KEPT, KEPT] }],
    ['a disk that is neither kept nor restored', DEFINITION, { volumes: [], keptDisks: [KEPT] }],
    ['NVRAM without UEFI', DEFINITION.replace(/<loader[^]*<\/nvram>/, ''), {}],
    ['a disk that cannot be restored', DEFINITION.replace("type='raw' cache", "type='vmdk' cache"), {}],
  ])('refuses %s', (_what, xml, change) => {
    expect(() => rewriteForSwap(xml, { ...rewrite, ...change })).toThrow(expect.objectContaining({ code: 'SWAP_REFUSED' }));
  });

  it('leaves a kept disk exactly as it is', () => {
    const text = rewriteForSwap(DEFINITION, { ...rewrite, volumes: [volume('vda', 'qcow2')], keptDisks: [KEPT] });
    expect(describe_(text).disks).toEqual([{ ...describe_(DEFINITION).disks[0], path: '/new/vda & "x"', backing: null }, describe_(DEFINITION).disks[1]]);
    expect(text).toMatch(
      /<driver name="qemu" type="raw" cache="none"\/>\s*<source file="\/srv\/vm\/data &amp; more\.raw"><seclabel model="dac" relabel="no"\/><\/source>/,
    );
  });

  it('leaves a drive empty whose medium is not there, and every other as it is', () => {
    const text = rewriteForSwap(DEFINITION, { ...rewrite, missingMedia: ['/srv/f.img', '/new/vda & "x"'] });
    expect(describe_(text)).toMatchObject({
      disks: [{ path: '/new/vda & "x"' }, {}],
      removableMedia: [
        { target: 'sda', source: null },
        { target: 'fda', source: null },
      ],
    });
    expect(describe_(rewriteForSwap(DEFINITION, { ...rewrite, missingMedia: ['/srv/other.img'] })).removableMedia).toEqual(
      describe_(DEFINITION).removableMedia,
    );
    expect(describe_(rewriteForReturn(DEFINITION, FENCE, null, [], ['/srv/f.img'])).removableMedia).toContainEqual({ target: 'fda', source: null });
  });

  it('adds no generation id to a server that has none', () => {
    const xml = DEFINITION.replace(/<genid>.*<\/genid>/, '');
    expect(describe_(rewriteForSwap(xml, rewrite)).generationId).toBeNull();
  });
});

describe('an old volume that is attached read-only', () => {
  const old = (more: string): string =>
    `<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/srv/vm/old.qcow2'/><target dev='vdc' bus='virtio'/>${more}</disk>`;
  const withDisk = (more: string): string => DEFINITION.replace("<disk type='file' device='cdrom'>", `${old(more)}<disk type='file' device='cdrom'>`);

  it('is no disk of the server: neither imaged nor replaced, and left where it is', () => {
    const xml = withDisk('<readonly/><serial>modosu-old-vdb</serial>');
    expect(describe_(xml)).toMatchObject({
      disks: describe_(DEFINITION).disks,
      removableMedia: [{ target: 'vdc', source: '/srv/vm/old.qcow2' }, {}, {}],
      refusals: [],
    });
    expect(oldDisksOf(parseDomain(xml))).toEqual([{ target: 'vdc', path: '/srv/vm/old.qcow2' }]);
    expect(rewriteForSwap(xml, rewrite)).toContain('/srv/vm/old.qcow2');
    // libvirt would start no server with one that is not there any more.
    expect(describe_(rewriteForSwap(xml, { ...rewrite, missingMedia: ['/srv/vm/old.qcow2'] })).removableMedia.map(({ target }) => target)).toEqual([
      'sda',
      'fda',
    ]);
  });

  it.each([['<serial>modosu-old-vdb</serial>'], ['<readonly/>'], ['<readonly/><serial>other</serial>']])(
    'is nothing else: %s is a disk like any other',
    (more) => {
      expect(describe_(withDisk(more)).disks.map(({ target }) => target)).toContain('vdc');
      expect(oldDisksOf(parseDomain(withDisk(more)))).toEqual([]);
    },
  );
});

describe('rewriteForReturn', () => {
  it('brings everything back but the files of disks that were left as they were', () => {
    const same = describe_(DEFINITION).disks[1]!;
    expect(describe_(rewriteForReturn(DEFINITION, FENCE, null, [same], [])).disks).toEqual(describe_(DEFINITION).disks);
    const text = rewriteForReturn(DEFINITION, FENCE, 'db02', [{ target: 'vdb', path: '/srv/vm/since.qcow2', format: 'qcow2' }], []);
    expect(describe_(text)).toMatchObject({
      name: 'db02',
      disks: [describe_(DEFINITION).disks[0], { target: 'vdb', path: '/srv/vm/since.qcow2', format: 'qcow2', backing: null }],
    });
    expect(readFence(parseDomain(text))).toEqual({ ...FENCE, released: false });
  });
});

describe('readFence', () => {
  const fenced = (inner: string): string => `<domain xmlns:m="https://modosu.dev/fence/1"><metadata>${inner}</metadata></domain>`;
  it('finds ours and only ours', () => {
    expect(readFence(parseDomain(fenced('<m:fence run="run_x" token="12"/>')))).toEqual({ runId: 'run_x', token: 12, released: false });
    expect(readFence(parseDomain(fenced('<m:fence run="run_x" token="12" released="yes"/>')))).toEqual({ runId: 'run_x', token: 12, released: true });
    expect(readFence(parseDomain(fenced('<fence run="run_x" token="12"/>')))).toBeNull();
    expect(readFence(parseDomain('<domain/>'))).toBeNull();
  });
  it.each([
    '<m:fence run="run_x"/>',
    '<m:fence run="run_x" token="1" released="no"/>',
    '<m:fence run="" token="1"/>',
    '<m:fence run="run_x" token="-1"/>',
    '<m:fence run="run_x" token="1"/><m:fence run="run_y" token="2"/>',
  ])('takes %s for held by somebody', (inner) => {
    expect(() => readFence(parseDomain(fenced(inner)))).toThrow(expect.objectContaining({ code: 'FENCED_OFF' }));
  });
});
