import { proofXml, type ProofDefinition } from './proof-xml';

const PROOF: ProofDefinition = {
  name: 'modosu-proof-vrf_1',
  uuid: '11111111-2222-4333-8444-555555555555',
  generationId: '99999999-2222-4333-8444-555555555555',
  sockets: new Map([
    ['vda', '/var/tmp/p/0.sock'],
    ['sdb', '/var/tmp/p/1.sock'],
  ]),
  nvramPath: null,
};
const disk = (target: string, rest = ''): string =>
  `<disk type="file" device="disk" snapshot="external"><driver name="qemu" type="qcow2" cache="none" io="native" iothread="2"/><source file="/srv/${target}.qcow2" index="1"/>
  <backingStore type="file"><source file="/srv/base"/></backingStore><mirror/><target dev="${target}" bus="virtio"/><serial>S-${target}</serial><boot order="1"/>${rest}</disk>`;
const definition = ({ devices = `${disk('vda')}${disk('sdb')}`, os = '<type arch="x86_64" machine="q35">hvm</type>', extra = '' } = {}): string =>
  `<domain type="kvm" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0"><name>db01</name><uuid>aaaaaaaa-2222-4333-8444-555555555555</uuid><genid>bbbbbbbb-2222-4333-8444-555555555555</genid>
  <title>t</title><metadata><modosu:fence xmlns:modosu="urn:modosu">9</modosu:fence></metadata><memory unit="GiB">2</memory><vcpu>4</vcpu><os>${os}</os><devices>${devices}</devices>${extra}</domain>`;

const flat = (xml: string): string => xml.replace(/>\s+</g, '><');

it('shows the images over sockets, under another name, with a generation id of its own', () => {
  const xml = flat(proofXml(definition(), PROOF));
  expect(xml).toContain('<name>modosu-proof-vrf_1</name><uuid>11111111-2222-4333-8444-555555555555</uuid><genid>99999999-2222-4333-8444-555555555555</genid>');
  expect(xml).toContain(
    '<disk device="disk" type="network"><target dev="vda" bus="virtio"/><serial>S-vda</serial><boot order="1"/><driver name="qemu" type="raw"/><source protocol="nbd"><host transport="unix" socket="/var/tmp/p/0.sock"/></source></disk>',
  );
  expect(xml).toContain('<memory unit="GiB">2</memory><vcpu>4</vcpu>');
  for (const gone of ['/srv/', 'backingStore', 'mirror', 'metadata', 'fence', 'iothread', 'db01', 'aaaaaaaa', 'bbbbbbbb']) expect(xml).not.toContain(gone);
});

it('leaves away everything of the host, whatever the definition asks for', () => {
  const devices = `${disk('vda')}${disk('sdb')}<emulator>/srv/evil</emulator>
    <disk type="file" device="cdrom"><source file="/srv/iso"/><target dev="sda"/></disk>
    <hostdev mode="subsystem" type="pci"/><filesystem type="mount"><source dir="/"/><target dir="root"/></filesystem>
    <graphics type="vnc" port="5900" passwd="t0psecret"/><serial type="file"><source path="/etc/passwd"/></serial><console type="pty"/>
    <channel type="unix"><source mode="bind" path="/run/evil.sock"/><target type="virtio" name="org.qemu.guest_agent.0"/></channel>
    <channel type="unix"><source mode="bind" path="/run/other.sock"/><target type="virtio" name="other"/></channel>
    <rng model="virtio"><backend model="egd" type="tcp"><source mode="connect" host="10.0.0.1"/></backend></rng>
    <interface type="bridge" trustGuestRxFilters="yes"><mac address="52:54:00:00:00:01"/><source bridge="br0"/><target dev="vnet0"/><filterref filter="x"/><model type="virtio"/><link state="up"/></interface>
    <controller type="scsi" index="0" model="virtio-scsi"><driver iothread="1"/><address type="pci"/></controller>
    <input type="evdev"><source dev="/dev/input/event0"/></input><input type="tablet" bus="usb"/>
    <video><model type="qxl" ram="65536"><acceleration accel3d="yes"/></model><driver name="vhostuser"/></video><shmem name="x"/><tpm model="tpm-tis"/><watchdog model="i6300esb"/><vsock/>`;
  const extra = `<on_reboot>destroy</on_reboot><sysinfo type="fwcfg"><entry name="opt/x" file="/etc/shadow"/></sysinfo><memoryBacking><hugepages/></memoryBacking><numatune/><cputune/><seclabel type="none"/><launchSecurity type="sev"/>
    <qemu:commandline><qemu:arg value="-chardev"/></qemu:commandline><qemu:capabilities/>`;
  const xml = flat(proofXml(definition({ devices, extra }), PROOF));
  for (const gone of [
    'evil',
    'cdrom',
    'hostdev',
    'filesystem',
    'graphics',
    't0psecret',
    '/etc/passwd',
    'console',
    'other',
    'egd',
    '10.0.0.1',
    'br0',
    'vnet0',
    'filterref',
    'qxl',
    'iothread',
    'evdev',
    'acceleration',
    'vhostuser',
    'shadow',
    'destroy',
    'shmem',
    'tpm',
    'watchdog',
    'vsock',
    'hugepages',
    'numatune',
    'seclabel',
    'launchSecurity',
    'qemu:',
  ]) {
    expect(xml).not.toContain(gone);
  }
  expect(xml).toContain('<interface type="user"><mac address="52:54:00:00:00:01"/><model type="virtio"/><link state="down"/></interface>');
  expect(xml).toContain('<controller type="scsi" index="0" model="virtio-scsi"><address type="pci"/></controller>');
  expect(xml).toContain('<input type="tablet" bus="usb"/>');
  expect(xml).toContain('<on_reboot>restart</on_reboot>');
  expect(xml).toContain('<channel type="unix"><target type="virtio" name="org.qemu.guest_agent.0"/></channel>');
  expect(xml).toContain('<rng model="virtio"><backend model="random">/dev/urandom</backend></rng>');
});

it('has every link down, whatever it was', () => {
  const nics = [
    '<interface type="network"><source network="default"/></interface>',
    '<interface type="user"><link state="up"/></interface>',
    '<interface type="direct"/>',
  ];
  const xml = flat(proofXml(definition({ devices: `${disk('vda')}${disk('sdb')}${nics.join('')}` }), PROOF));
  expect(xml.match(/<interface type="user"><link state="down"\/><\/interface>/g)).toHaveLength(3);
  expect(xml.match(/<interface/g)).toHaveLength(3);
});

it("takes a copy of the firmware's variables, and none where there is none", () => {
  const os =
    '<type arch="x86_64" machine="q35">hvm</type><loader type="pflash">/ovmf</loader><nvram template="/vars" format="raw"><source file="/srv/db01.fd"/></nvram>';
  expect(flat(proofXml(definition({ os }), { ...PROOF, nvramPath: '/var/tmp/p/nvram.fd' }))).toContain(
    '<loader type="pflash" readonly="yes">/ovmf</loader><nvram format="raw">/var/tmp/p/nvram.fd</nvram></os>',
  );
  expect(flat(proofXml(definition({ os }), PROOF))).not.toContain('nvram');
});

it.each(['<kernel>/boot/vmlinuz</kernel>', '<acpi><table type="slic">/etc/shadow</table></acpi>', '<init>/bin/sh</init>'])(
  'starts with no file of the host: %s',
  (file) => {
    expect(() => proofXml(definition({ os: `<type>hvm</type>${file}` }), PROOF)).toThrow(
      /^The image cannot be booted for a proof: it starts with files of the host/,
    );
  },
);

it('boots no disk that is not in the recovery point, and none without one that is', () => {
  const sockets = (...targets: string[]) => ({ ...PROOF, sockets: new Map(targets.map((target) => [target, `/s/${target}`])) });
  const refusal = (proof: ProofDefinition): string => {
    try {
      proofXml(definition(), proof);
    } catch (error) {
      return `${(error as { code?: string }).code}: ${(error as Error).message}`;
    }
    return 'none';
  };
  expect(refusal(sockets('vda'))).toBe('START_FAILED: The image cannot be booted for a proof: disk sdb of the definition is not in the recovery point.');
  expect(refusal(sockets('vda', 'sdb', 'vdc'))).toBe('START_FAILED: The image cannot be booted for a proof: the definition has no disk vdc.');
});
