/** Bytes in front of the content in a fake image: header, L1 table and refcount table, one cluster each. */
export const FAKE_QCOW2_PREFIX_BYTES = 3 * 65_536;

/**
 * An image whose header is a sound qcow2 header of the content's size, so that everything that judges headers accepts it, followed by the content as
 * it is. Not readable by QEMU: the fake hypervisor writes and reads it without any QEMU tool.
 *
 * @param backingName stands in the header; the content is whole all the same
 */
export function fakeQcow2(content: Uint8Array, backingName?: string): Buffer {
  const prefix = Buffer.alloc(FAKE_QCOW2_PREFIX_BYTES);
  prefix.write('QFI\u00fb', 0, 'latin1');
  prefix.writeUInt32BE(3, 4); // version
  prefix.writeUInt32BE(16, 20); // cluster_bits
  prefix.writeBigUInt64BE(BigInt(content.length), 24); // size
  prefix.writeUInt32BE(Math.max(1, Math.ceil(content.length / (8192 * 65_536))), 36); // l1_size
  prefix.writeBigUInt64BE(65_536n, 40); // l1_table_offset
  prefix.writeBigUInt64BE(131_072n, 48); // refcount_table_offset
  prefix.writeUInt32BE(1, 56); // refcount_table_clusters
  prefix.writeUInt32BE(4, 96); // refcount_order
  prefix.writeUInt32BE(104, 100); // header_length
  if (backingName !== undefined) {
    prefix.writeUInt32BE(0xe2792aca, 104); // extension: format of the backing file
    prefix.writeUInt32BE(5, 108);
    prefix.write('qcow2', 112, 'latin1');
    prefix.writeBigUInt64BE(1024n, 8); // backing_file_offset
    prefix.writeUInt32BE(Buffer.byteLength(backingName), 16); // backing_file_size
    prefix.write(backingName, 1024);
  }
  return Buffer.concat([prefix, content]);
}

export const fakeQcow2Content = (image: Buffer): Buffer => image.subarray(FAKE_QCOW2_PREFIX_BYTES);
