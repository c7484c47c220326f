const { default: Sequencer } = require('@jest/test-sequencer');

/**
 * What takes minutes, longest first: begun at the end, one of them runs alone while the other worker has nothing to do. jest itself knows only sizes of files
 * where it has not run before, as in a clean clone, and the longest of these are short. Every run of all tests prints the slowest files.
 */
const LONGEST = [
  'contract/catalog.typeorm',
  'contract/hypervisor.libvirt-incremental',
  'contract/guest-postgresql-objects.libvirt',
  'contract/hypervisor.libvirt',
  'contract/offsite-repository.faults',
  'contract/data-repository.forget',
  'contract/hypervisor.libvirt-way-back',
  'contract/hypervisor.libvirt-online-hostile',
  'contract/hypervisor.libvirt-online-deaths',
  'contract/hypervisor.libvirt-salvage',
  'contract/data-repository.faults',
  'contract/guest-postgresql-whole.libvirt',
  'contract/guest-postgresql-dump.libvirt',
  'contract/guest-restic.libvirt',
  'contract/guest-files.libvirt',
  'workflows/relations-rejected',
  'workflows/relations',
  'e2e/deaths',
  'e2e/data',
  'e2e/demo',
  'e2e/way-back',
  'e2e/faults',
  'e2e/online-backup',
  'e2e/replication',
  'e2e/name-servers',
  'e2e/incrementals',
  'e2e/rebuild',
  'e2e/offsite',
  'e2e/relations',
  'e2e/scheduled',
  'e2e/verification',
  'e2e/salvage',
  'e2e/backup-and-restore',
].map((name) => `/test/${name}.spec.ts`);

const rank = ({ path }) => {
  const index = LONGEST.findIndex((name) => path.endsWith(name));
  return index < 0 ? LONGEST.length : index;
};

module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    return [...super.sort(tests)].sort((one, other) => rank(one) - rank(other));
  }
};
