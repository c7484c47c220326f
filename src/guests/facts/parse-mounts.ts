import type { RawFact } from './fact-entries';

/** What the kernel makes up, and what containers put together. */
const PSEUDO = new Set(
  (
    'autofs binder binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue nfsd nsfs overlay proc pstore ' +
    'ramfs rootfs rpc_pipefs securityfs selinuxfs sysfs tracefs'
  ).split(' '),
);

/** Comes and goes with sessions, services and containers. */
const PASSING = ['/dev', '/proc', '/run', '/sys', '/var/lib/containerd', '/var/lib/containers', '/var/lib/docker', '/var/lib/kubelet'];

/** Another one at each start: sizes that follow the memory, the other side's address and ports of a network file system, descriptors, processes. */
const VOLATILE = /^(addr|clientaddr|fd|inode(32|64)|mountaddr|mountport|nr_inodes|pgrp|pipe_ino|port|size)(=|$)/;

/** Lines of /proc/self/mounts. Of several on one mount point the last is what is seen. */
export function parseMounts(lines: readonly string[]): readonly RawFact[] {
  const mounts = lines.flatMap((line) => {
    const [source, point, type, options] = line.split(' ').map(unescaped);
    return source === undefined || !point?.startsWith('/') || type === undefined || options === undefined ? [] : [{ source, point, type, options }];
  });
  // What is mounted when it is used, and not when nobody does.
  const onDemand = mounts.filter(({ type }) => type === 'autofs').map(({ point }) => point);
  const found = new Map<string, string>();
  for (const { source, point, type, options } of mounts) {
    if (PSEUDO.has(type) || [...PASSING, ...onDemand].some((above) => point === above || point.startsWith(`${above}/`))) continue;
    const lasting = options.split(',').filter((option) => !VOLATILE.test(option));
    found.set(point, [source.replace(/^\/dev\/loop\d+$/, '/dev/loop'), type, lasting.join(',')].join(', '));
  }
  return [...found];
}

/** Blanks, tabs, line ends and backslashes are octal there. */
const unescaped = (field: string): string => field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
