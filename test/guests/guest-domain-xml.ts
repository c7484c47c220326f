import type { LanEnd } from './lan';

/** The libvirt definition of a test guest. */
export interface GuestDomain {
  readonly name: string;
  readonly uuid: string;
  readonly domainType: 'kvm' | 'qemu';
  readonly memoryMiB: number;
  readonly disks: readonly { readonly target: string; readonly path: string; readonly format: 'qcow2' | 'raw' }[];
  readonly uefi: { readonly loader: string; readonly nvram: string } | null;
  readonly generationId: boolean;
  readonly cdrom: string | null;
  readonly lan: LanEnd | null;
  readonly consoleLog: string;
}

const escapeXml = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** As little machine as possible: each device costs time under emulation. The serial number becomes the host name at the first boot. */
export function guestDomainXml(domain: GuestDomain): string {
  const disks = domain.disks.map(
    ({ target, path, format }) =>
      `<disk type="file" device="disk"><driver name="qemu" type="${format}" discard="unmap"/><source file="${escapeXml(path)}"/>` +
      `<target dev="${target}" bus="virtio"/></disk>`,
  );
  const cdrom =
    domain.cdrom === null
      ? []
      : [
          `<disk type="file" device="cdrom"><driver name="qemu" type="raw"/><source file="${escapeXml(domain.cdrom)}"/>` +
            '<target dev="sda" bus="sata"/><readonly/></disk>',
        ];
  const uefi =
    domain.uefi === null
      ? []
      : [`<loader readonly="yes" type="pflash">${escapeXml(domain.uefi.loader)}</loader>`, `<nvram>${escapeXml(domain.uefi.nvram)}</nvram>`];
  const lan =
    domain.lan === null
      ? []
      : [
          `<interface type="udp"><source address="127.0.0.1" port="${domain.lan.peerPort}"><local address="127.0.0.1" port="${domain.lan.port}"/></source>` +
            '<model type="virtio"/><rom enabled="no"/></interface>',
        ];
  return [
    `<domain type="${domain.domainType}">`,
    `<name>${escapeXml(domain.name)}</name>`,
    `<uuid>${domain.uuid}</uuid>`,
    ...(domain.generationId ? ['<genid/>'] : []),
    `<memory unit="MiB">${domain.memoryMiB}</memory>`,
    '<vcpu>1</vcpu>',
    `<sysinfo type="smbios"><system><entry name="serial">${escapeXml(domain.name)}</entry></system></sysinfo>`,
    '<os><type arch="x86_64" machine="q35">hvm</type>',
    ...uefi,
    '<boot dev="hd"/><smbios mode="sysinfo"/></os>',
    '<features><acpi/><apic/></features>',
    '<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>',
    '<devices>',
    ...disks,
    ...cdrom,
    '<controller type="usb" model="none"/>',
    '<interface type="user"><model type="virtio"/><rom enabled="no"/></interface>',
    ...lan,
    '<channel type="unix"><target type="virtio" name="org.qemu.guest_agent.0"/></channel>',
    `<serial type="file"><source path="${escapeXml(domain.consoleLog)}"/></serial>`,
    '<rng model="virtio"><backend model="random">/dev/urandom</backend></rng>',
    '<memballoon model="none"/>',
    '<video><model type="none"/></video>',
    '</devices>',
    '</domain>',
    '',
  ].join('\n');
}
