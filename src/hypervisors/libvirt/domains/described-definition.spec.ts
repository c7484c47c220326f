import type { DescribedDefinition } from '../../../contracts/definition';
import { describeDefinition } from './described-definition';

const described = (xml: string): DescribedDefinition => {
  const answer = describeDefinition(xml);
  if (typeof answer === 'string') throw new Error(answer);
  return answer;
};
const domain = (inner: string): string => `<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>db01</name>${inner}</domain>`;
const devices = (inner: string): string => domain(`<devices>${inner}</devices>`);
const text = (xml: string): string => described(xml).lines.join('\n');

const DEFINITION = `<domain type='kvm'>
  <!-- the password is hunter2 -->
  <name>db01</name>
  <genid>11111111-2222-4333-8444-555555555555</genid>
  <memory unit='MiB'>512</memory>
  <vcpu placement='static'>2</vcpu>
  <os>
    <type machine='pc-q35-8.2' arch='x86_64'>hvm</type>
    <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
  </os>
  <devices>
    <disk type='file' device='disk'>
      <source file='/srv/vm/data &amp; more.raw'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
    <interface type='network'><mac address='52:54:00:aa:bb:cc'/><source network='default'/></interface>
  </devices>
</domain>`;

describe('a definition for people', () => {
  it('says what hardware it describes', () => {
    expect(described(DEFINITION).summary).toEqual({
      vcpus: 2,
      memoryBytes: 512 * 1024 ** 2,
      machine: 'pc-q35-8.2',
      firmware: 'uefi',
      generationId: '11111111-2222-4333-8444-555555555555',
      disks: [
        { target: 'vda', device: 'disk', bus: 'virtio', source: '/srv/vm/data & more.raw' },
        { target: 'sda', device: 'cdrom', bus: 'sata', source: null },
      ],
      nics: [{ mac: '52:54:00:aa:bb:cc', type: 'network', source: 'default' }],
    });
  });

  it('has one element a line, in a form of its own: neither order of attributes, white space nor comments count', () => {
    const { lines } = described(DEFINITION);
    expect(lines.slice(0, 9)).toEqual([
      "<domain type='kvm'>",
      '  <name>db01</name>',
      '  <genid>11111111-2222-4333-8444-555555555555</genid>',
      "  <memory unit='MiB'>512</memory>",
      "  <vcpu placement='static'>2</vcpu>",
      '  <os>',
      "    <type arch='x86_64' machine='pc-q35-8.2'>hvm</type>",
      "    <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>",
      '  </os>',
    ]);
    expect(lines).toContain("      <source file='/srv/vm/data &amp; more.raw'/>");
    expect(described(DEFINITION.replaceAll(/\n\s*/g, '').replace("dev='vda' bus='virtio'", "bus='virtio' dev='vda'"))).toEqual(described(DEFINITION));
    expect(described(lines.join('\n')).lines).toEqual(lines);
  });

  it('leaves away the mark of Modosu, with the metadata that hold nothing else', () => {
    const fence = "<modosu:fence xmlns:modosu='https://modosu.dev/fence/1' run='run_1' token='7'/>";
    expect(described(domain(`<metadata>${fence}</metadata>`))).toEqual(described(domain('')));
    const note = "<app:note xmlns:app='https://example.org/app'/>";
    expect(described(domain(`<metadata>${note}${fence}</metadata>`))).toEqual(described(domain(`<metadata>${note}</metadata>`)));
  });

  it.each<[string, string, string]>([
    ['the password of a VNC console', devices("<graphics type='vnc' port='5900' passwd='t0psecret'/>"), "<graphics passwd='[hidden]' port='5900' type='vnc'/>"],
    [
      'the password of a SPICE console',
      devices("<graphics type='spice' passwd='t0psecret' passwdValidTo='2026-01-01T00:00:00'/>"),
      "<graphics passwd='[hidden]' passwdValidTo='[hidden]' type='spice'/>",
    ],
    ['an attribute called password', devices("<graphics type='rdp' password='t0psecret'/>"), "password='[hidden]'"],
    ['an element called password', devices('<thing><password>t0psecret</password></thing>'), '<password>[hidden]</password>'],
    ['an element with such a part in its name', devices('<thing><adminPassphrase>t0psecret</adminPassphrase></thing>'), '[hidden]'],
    ['what stands in CDATA', devices('<thing><password><![CDATA[t0psecret]]></password></thing>'), '<password>[hidden]</password>'],
    ['what stands beside elements', devices('<secret>t0psecret<a/>t0psecret</secret>'), '[hidden]'],
    [
      'who logs in at a storage, and by which secret',
      devices("<disk><auth username='t0psecret'><secret type='ceph' usage='t0psecret' uuid='t0psecret'/></auth></disk>"),
      "<secret type='ceph' usage='[hidden]' uuid='[hidden]'/>",
    ],
    [
      'the secret of an encrypted disk',
      devices("<disk><encryption format='luks'><secret type='passphrase' uuid='t0psecret'/></encryption></disk>"),
      '[hidden]',
    ],
    ['a secret that an attribute names', devices("<tpm><backend><encryption secret='t0psecret'/></backend></tpm>"), "<encryption secret='[hidden]'/>"],
    ['cookies', devices("<disk><source><cookies><cookie name='a'>t0psecret</cookie></cookies></source></disk>"), "<cookie name='a'>[hidden]</cookie>"],
    ['the query of an address', devices("<disk><source protocol='https' name='a.iso' query='sig=t0psecret'/></disk>"), "query='[hidden]'"],
    ['a login in an address', devices("<disk><source file='https://root:t0psecret@example.org/a'/><target dev='sda'/></disk>"), "<source file='[hidden]'/>"],
    ['a key in a name of a source', devices("<disk><source file='rbd:pool/a:id=x:key=t0psecret'/><target dev='sda'/></disk>"), "<source file='[hidden]'/>"],
    ['options of an image', devices(`<disk><source file=' json:{"a":"t0psecret"}'/><target dev='sda'/></disk>`), "<source file='[hidden]'/>"],
    ['a password that somebody has written down', domain('<description>Root password: t0psecret</description>'), '<description>[hidden]</description>'],
    ['a login in text', domain('<title>see ftp://t0psecret@example.org</title>'), '<title>[hidden]</title>'],
    [
      'an argument for QEMU',
      domain("<qemu:commandline><qemu:arg value='-fw_cfg'/><qemu:arg value='t0psecret'/></qemu:commandline>"),
      "<qemu:arg value='[hidden]'/>",
    ],
    [
      'a variable for QEMU',
      domain("<qemu:commandline><qemu:env name='TOKEN' value='t0psecret'/></qemu:commandline>"),
      "<qemu:env name='TOKEN' value='[hidden]'/>",
    ],
    [
      'an entry of SMBIOS',
      domain("<sysinfo type='smbios'><system><entry name='serial'>t0psecret</entry></system></sysinfo>"),
      "<entry name='serial'>[hidden]</entry>",
    ],
    ['a string of SMBIOS', domain("<sysinfo type='smbios'><oemStrings><entry>t0psecret</entry></oemStrings></sysinfo>"), '<entry>[hidden]</entry>'],
    [
      'an entry of fw_cfg, and the file of one',
      domain("<sysinfo type='fwcfg'><entry name='opt/a'>t0psecret</entry><entry name='opt/b' file='/t0psecret'/></sysinfo>"),
      "<entry file='[hidden]' name='opt/b'/>",
    ],
    ['the command line of a kernel', domain('<os><type>hvm</type><cmdline>root=/dev/vda t0psecret</cmdline></os>'), '<cmdline>[hidden]</cmdline>'],
    ['the variables of a container', domain("<os><type>exe</type><initenv name='A'>t0psecret</initenv></os>"), "<initenv name='A'>[hidden]</initenv>"],
    ['the session of an encrypted guest', domain("<launchSecurity type='sev'><session>t0psecret</session></launchSecurity>"), "<launchSecurity type='sev'>"],
    [
      'what others keep in the metadata',
      domain("<metadata><a:note xmlns:a='https://example.org/a' name='t0psecret'>t0psecret<b>t0psecret</b></a:note></metadata>"),
      "<a:note name='[hidden]'>",
    ],
    ['an element of another default namespace', domain("<thing xmlns='https://example.org/a' name='t0psecret'/>"), "<thing name='[hidden]'/>"],
    [
      'an element of libvirt in an element that is hidden',
      domain("<metadata><a:x xmlns:a='https://example.org/a'><vcpu>t0psecret</vcpu></a:x></metadata>"),
      '<vcpu>[hidden]</vcpu>',
    ],
    ['an attribute of another namespace', domain("<a xmlns:x='https://example.org/a' x:b='t0psecret'/>"), "x:b='[hidden]'"],
    ['a comment beside text', domain('<title>a<!-- t0psecret -->b</title>'), '<title>ab</title>'],
    ['a comment', domain('<!-- t0psecret --><a/>'), '<a/>'],
    ['a processing instruction', domain('<?t0psecret t0psecret?><a/>'), '<a/>'],
  ])('does not show %s', (_what, xml, shown) => {
    expect(text(xml)).toContain(shown);
    expect(JSON.stringify(describeDefinition(xml))).not.toContain('t0psecret');
  });

  it.each([
    ['what people have written', domain('<description>root password is t0psecret</description>')],
    ['a signed address', devices("<disk device='cdrom'><source protocol='https' name='a.iso?X-Amz-Signature=t0psecret'/><target dev='sda'/></disk>")],
    ['arguments of a kernel', domain('<bootloader_args>t0psecret</bootloader_args>')],
    ['metadata without a namespace', domain('<metadata><note>t0psecret</note></metadata>')],
    ['a full-width colon', domain('<title>pwd：t0psecret</title>')],
  ])('does not show %s', (_, xml) => {
    expect(JSON.stringify(describeDefinition(xml))).not.toContain('t0psecret');
  });

  it('takes no longer over words that almost announce a secret', () => {
    for (const words of ['key'.repeat(60_000), `key${' '.repeat(200_000)}x`]) {
      expect(text(domain(`<title>${words}</title>`))).toContain('<title>key');
    }
  });

  it('tells that a value that is not shown differs, and nothing more', () => {
    const console = (passwd: string): DescribedDefinition => described(devices(`<graphics type='vnc' passwd='${passwd}'/>`));
    expect(console('one').lines).toEqual(console('two').lines);
    expect(console('one').hiddenSha256).not.toBe(console('two').hiddenSha256);
    expect(console('one')).toEqual(console('one'));
    const long = (end: string): DescribedDefinition => described(domain(`<title>${'x'.repeat(2000)}${end}</title>`));
    expect(long('a').hiddenSha256).not.toBe(long('b').hiddenSha256);
  });

  it('is clean, and stays one line a line, whatever stands in it', () => {
    const hostile = '&#10;a&#13;b&#9;c\u009b31m\u202ed\u200be\u2028f&lt;g&gt;&apos;h';
    const { lines, summary } = described(devices(`<disk><source file='/srv/${hostile}'/><target dev='vda${hostile}'/></disk><b>${hostile}</b>`));
    for (const value of [...lines, JSON.stringify(summary)]) expect(value).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    expect(lines).toContain("      <source file='/srv/ a b c 31m d e f&lt;g&gt;&apos;h'/>");
  });

  it('says nothing of numbers that are none', () => {
    expect(described(domain("<vcpu>many</vcpu><memory unit='parsec'>9</memory>")).summary).toMatchObject({ vcpus: null, memoryBytes: null });
    expect(described(domain('<vcpu>-1</vcpu><memory>1e300</memory>')).summary).toMatchObject({ vcpus: null, memoryBytes: null });
  });

  it.each<[string, string, string]>([
    ['is empty', '', 'unreadable'],
    ['is no XML', 'passwd=t0psecret', 'unreadable'],
    ['is malformed', "<domain><graphics passwd='t0psecret'></domain>", 'unreadable'],
    ['ends too early', "<domain><graphics passwd='t0psecret'", 'unreadable'],
    ['is of another kind', '<network><name>a</name></network>', 'unreadable'],
    ['has a DOCTYPE', '<!DOCTYPE domain [<!ENTITY a SYSTEM "file:///etc/passwd">]><domain>&a;</domain>', 'unreadable'],
    ['names an entity that is not known', '<domain>&a;</domain>', 'unreadable'],
    ['has a prefix that is not declared', "<domain><qemu:arg value='t0psecret'/></domain>", 'unreadable'],
    ['is nested too deeply', `<domain>${'<a>'.repeat(5000)}${'</a>'.repeat(5000)}</domain>`, 'unreadable'],
    ['has too many lines', `<domain>${'<a/>'.repeat(20_000)}</domain>`, 'too-large'],
    ['is too large', `<domain>${' '.repeat(256 * 1024)}</domain>`, 'too-large'],
  ])('that %s is not shown', (_what, xml, answer) => {
    expect(describeDefinition(xml)).toBe(answer);
  });
});
