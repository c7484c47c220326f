/** The guests there are. What stands here and in the other files of this folder decides the hash in an image's name. */
export const MIB = 1024 * 1024;

/** Where the boot partition begins, and how large it is: room for two kernels. */
export const BOOT_OFFSET_BYTES = 1 * MIB;
export const BOOT_SIZE_BYTES = 40 * MIB;
export const ROOT_OFFSET_BYTES = BOOT_OFFSET_BYTES + BOOT_SIZE_BYTES;

/** The programs of a real server, not busybox's: what is done to databases and files in a guest relies on them. */
const REAL_PROGRAMS = ['coreutils', 'findutils', 'util-linux', 'procps'];

/** dropbear: an SSH server, which nobody starts but the tests of SSH. */
const COMMON_PACKAGES = ['busybox-static', 'qemu-guest-agent', 'restic', 'dropbear-bin', 'passwd', 'libpam-modules', 'netbase'];

/** `tree` says which root file system a guest has; guests with the same one are made from the same tree. */
export const GUESTS = {
  minimal: { tree: 'minimal', firmware: 'bios', rootSizeBytes: 151 * MIB },
  'minimal-uefi': { tree: 'minimal', firmware: 'uefi', rootSizeBytes: 151 * MIB },
  postgresql: { tree: 'postgresql', firmware: 'bios', rootSizeBytes: 401 * MIB },
  'name-server': { tree: 'name-server', firmware: 'bios', rootSizeBytes: 151 * MIB },
  openldap: { tree: 'openldap', firmware: 'bios', rootSizeBytes: 201 * MIB },
};

export const TREES = {
  minimal: { packages: [...COMMON_PACKAGES, 'sqlite3'] },
  postgresql: { packages: [...COMMON_PACKAGES, ...REAL_PROGRAMS, 'postgresql'], postgresql: true },
  'name-server': { packages: [...COMMON_PACKAGES, 'knot'], nameServer: true },
  // Its slapd is set up and started by the tests: what they prove depends on who takes changes of whom.
  openldap: { packages: [...COMMON_PACKAGES, ...REAL_PROGRAMS, 'slapd', 'ldap-utils'] },
};

export const GUEST_NAMES = Object.keys(GUESTS);
