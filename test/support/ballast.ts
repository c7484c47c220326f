import type { GuestServer } from '../guests/guest-server';
import { mustRun } from '../guests/run-program';

const MIB = 1024 ** 2;
const [AT_BYTES, SIZE_BYTES, PATTERN] = [100 * MIB, 800 * MIB, 0xa5];

/**
 * What makes a second disk so heavy that an online backup of it has a middle: QEMU begins to copy before it can be told how fast it may, and a disk of a
 * guest that only boots is often done by then. It lies in the free room of the disk's file system, where the guest does not look.
 */
export const BALLAST = { dataDisk: { sizeBytes: 1000 * MIB, format: 'qcow2' }, rateLimitBytesPerSecond: 64 * MIB } as const;

/** Before the guest is started. */
export const loadBallast = ({ dataDisk }: GuestServer): Promise<unknown> => ballast(['-f', 'qcow2'], 'write', dataDisk?.path ?? '');

/** Fails unless the image holds it as it was written. */
export const expectBallast = (image: string): Promise<unknown> => ballast(['-r', '-f', 'qcow2'], 'read', image);

const ballast = (options: readonly string[], verb: 'read' | 'write', image: string): Promise<unknown> =>
  mustRun('COPY_FAILED', 'qemu-io', [...options, '-c', `${verb} -q -P ${PATTERN} ${AT_BYTES} ${SIZE_BYTES}`, image]);
