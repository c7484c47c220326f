import { DEBIAN_12 } from './debian-12';
import type { Recording } from './recorded-guest';

/** What differs on Alpine Linux 3.19, with busybox and OpenRC, put together in the form that they have there. */
export const ALPINE_3: Recording = {
  files: {
    ...DEBIAN_12.files,
    '/etc/debian_version': undefined,
    '/etc/os-release': `NAME="Alpine Linux"
ID=alpine
VERSION_ID=3.19.1
PRETTY_NAME="Alpine Linux v3.19"
HOME_URL="https://alpinelinux.org/"
`,
    '/proc/1/comm': 'init\n',
    '/proc/net/tcp6': undefined,
    '/proc/net/udp6': undefined,
    '/etc/inittab': `# /etc/inittab

::sysinit:/sbin/openrc sysinit
::wait:/sbin/openrc default

# Set up a couple of getty's
tty1::respawn:/sbin/getty 38400 tty1
tty2::respawn:/sbin/getty 38400 tty2
::ctrlaltdel:/sbin/reboot
::shutdown:/sbin/openrc shutdown
`,
    '/etc/passwd': 'root:x:0:0:root:/root:/bin/ash\nguest:x:405:100:guest:/dev/null:/sbin/nologin\n',
  },
  programs: {
    ...DEBIAN_12.programs,
    'dpkg-query': undefined,
    systemctl: undefined,
    apk: 'musl-1.2.4_git20230717-r4\nbusybox-1.36.1-r15\nalpine-baselayout-data-3.4.3-r2\nca-certificates-bundle-20240226-r0\n',
    find: ([, start]) => {
      // busybox: "unrecognized: -lname", and a usage.
      if (start === '/proc') return { exitCode: 1, stderr: 'find: unrecognized: -lname\n' };
      if (start === '/etc/init.d') {
        return '/etc/init.d/sshd\n/etc/init.d/networking\n/etc/init.d/chronyd\n/etc/runlevels/default/sshd\n/etc/runlevels/boot/networking\n';
      }
      return '/etc/crontabs/root:*/15\t*\t*\t*\t*\trun-parts /etc/periodic/15min\n';
    },
    prlimit: undefined,
  },
};
