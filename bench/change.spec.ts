import { deviceOf, patternOf } from './change';

const BLOCKS = `libvirt-2-format: /srv/wide/server.qcow2 (qcow2)
    Attached to:      /machine/peripheral/virtio-disk1/virtio-backend
    Cache mode:       writeback
libvirt-1-format: /srv/server.qcow2 (qcow2)
    Attached to:      /machine/peripheral/virtio-disk0/virtio-backend
    Cache mode:       writeback
`;

it('the device of a disk is found by its file, the whole of its name', () => {
  expect(deviceOf(BLOCKS, '/srv/server.qcow2')).toBe('/machine/peripheral/virtio-disk0/virtio-backend');
  expect(deviceOf(BLOCKS, '/srv/wide/server.qcow2')).toBe('/machine/peripheral/virtio-disk1/virtio-backend');
  expect(deviceOf(BLOCKS, '/server.qcow2')).toBeNull();
});

it('a pattern is never zero, and never that of the change before', () => {
  const patterns = Array.from({ length: 600 }, (_, count) => patternOf(count));
  expect(patterns.every((pattern) => pattern >= 1 && pattern <= 255)).toBe(true);
  expect(patterns.some((pattern, index) => pattern === patterns[index - 1])).toBe(false);
});
