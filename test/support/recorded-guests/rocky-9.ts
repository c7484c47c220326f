import { DEBIAN_12 } from './debian-12';
import type { Recording } from './recorded-guest';

/** What differs on Rocky Linux 9; put together in the form that rpm and os-release have there. The rest is that of `DEBIAN_12`. */
export const ROCKY_9: Recording = {
  files: {
    ...DEBIAN_12.files,
    '/etc/debian_version': undefined,
    '/etc/redhat-release': 'Rocky Linux release 9.4 (Blue Onyx)\n',
    '/etc/os-release': `NAME="Rocky Linux"
VERSION="9.4 (Blue Onyx)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.4"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"
ANSI_COLOR="0;32"
LOGO="fedora-logo-icon"
CPE_NAME="cpe:/o:rocky:rocky:9::baseos"
`,
  },
  programs: {
    ...DEBIAN_12.programs,
    'dpkg-query': undefined,
    rpm: `libgcc.x86_64\t11.4.1-3.el9
tzdata.noarch\t2024a-1.el9
bind-libs.x86_64\t32:9.16.23-18.el9_4.1
gpg-pubkey.(none)\t350d275d-6279464b
kernel-core.x86_64\t5.14.0-427.13.1.el9_4
kernel-core.x86_64\t5.14.0-362.24.1.el9_3.0.1
openssl-libs.x86_64\t1:3.0.7-27.el9
`,
  },
};
