import { ModosuError } from '../../../contracts/errors';
import type { Fence, ServerRef } from '../../../contracts/server';
import type { CommandOutcome } from '../../../system/child-process';
import type { Domains } from '../domains/domains';
import type { Fences } from '../domains/fence';
import { libvirtMessage, type Virsh } from '../virsh';

const NAME_TAKEN = /already exists with uuid|already defined with uuid/;

/** Defines and undefines servers, each time with a last look at the fence. */
export class Definitions {
  constructor(
    private readonly virsh: Virsh,
    private readonly domains: Domains,
    private readonly fences: Fences,
  ) {}

  /**
   * `lastCheck` is asked right before the call: between the caller's first check and the define lie other questions to libvirt and fsyncs, which take seconds
   * on slow storage. Throws `SWAP_REFUSED` with libvirt's message, naming `what`.
   */
  async define(xml: string, what: string, lastCheck: () => Promise<void>): Promise<void> {
    const outcome = await this.virsh.withFile(xml, async (path) => {
      await lastCheck();
      return this.virsh.attempt(['define', '--file', path]);
    });
    if (outcome.exitCode === 0) return;
    const message = libvirtMessage(outcome.stderr);
    throw new ModosuError('SWAP_REFUSED', `libvirt refused ${what}: ${message}`, {
      ...(NAME_TAKEN.test(outcome.stderr)
        ? { hint: 'Another domain of the same name but another UUID stands on this hypervisor: rename it (`virsh domrename`) or remove it, then try again.' }
        : {}),
    });
  }

  /** Throws `FENCED_OFF`, `SERVER_GONE`. */
  async requireStillOurs(server: ServerRef, fence: Fence, wasGone: boolean): Promise<void> {
    // One that was gone and has come back was defined by somebody: by us, or it is not ours to replace.
    if (wasGone && (await this.domains.storedOrNull(server)) === null) return;
    await this.fences.require(server, fence);
  }

  /** Forgets the definition and nothing else: no volume, no NVRAM, no TPM state is deleted. */
  async undefine(server: ServerRef, fence: Fence): Promise<void> {
    const attempt = async (more: readonly string[]): Promise<CommandOutcome> => {
      const { description } = await this.fences.require(server, fence);
      return this.virsh.attemptOn(server.uuid, 'undefine', ['--keep-nvram', ...(description.hasTpm ? ['--keep-tpm'] : []), ...more]);
    };
    let outcome = await attempt([]);
    if (outcome.exitCode !== 0 && /checkpoint/i.test(outcome.stderr)) outcome = await attempt(['--checkpoints-metadata']);
    if (outcome.exitCode !== 0) throw this.virsh.failure('undefine', outcome, 'HYPERVISOR_COMMAND_FAILED');
  }
}
