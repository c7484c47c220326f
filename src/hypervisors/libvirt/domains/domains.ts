import { ModosuError, isModosuError } from '../../../contracts/errors';
import type { PowerState, ServerRef } from '../../../contracts/server';
import { describeDomain, parseDomain, type DomainDescription } from './domain-xml';
import type { Virsh } from '../virsh';
import type { Document } from '../xml';

export interface DomainState {
  readonly powerState: PowerState;
  /** libvirt's own word, for messages. */
  readonly libvirtState: string;
  readonly persistent: boolean;
  /** Memory saved on disk, which the next start would continue with. */
  readonly hasSavedState: boolean;
}

export interface StoredDefinition {
  readonly xml: string;
  readonly document: Document;
  readonly description: DomainDescription;
}

/** As `virsh domstate --reason` says it while QEMU is being made ready. */
const STARTING_UP = /\(starting up\)/;

/** Reads domains. Everything here is read-only. */
export class Domains {
  constructor(private readonly virsh: Virsh) {}

  /** The definition the next start will use. `secrets`: with console passwords and the like. Throws `SERVER_GONE`. */
  async stored(server: ServerRef, options: { readonly secrets?: boolean } = {}): Promise<StoredDefinition> {
    return this.read(server, ['--inactive', ...(options.secrets === true ? ['--security-info'] : [])]);
  }

  /** The definition of the running domain; of one that is off, the stored one. */
  async live(server: ServerRef): Promise<StoredDefinition> {
    return this.read(server, []);
  }

  /** As `stored`, null for a server that is gone. */
  async storedOrNull(server: ServerRef, options: { readonly secrets?: boolean } = {}): Promise<StoredDefinition | null> {
    return orNull(this.stored(server, options));
  }

  /** As `live`, null for a server that is gone. */
  async liveOrNull(server: ServerRef): Promise<StoredDefinition | null> {
    return orNull(this.live(server));
  }

  /** Throws `SERVER_GONE`. */
  async state(server: ServerRef): Promise<DomainState> {
    const facts = parseFacts(await this.virsh.runOn(server.uuid, 'dominfo'));
    const libvirtState = facts.get('State') ?? '';
    return {
      powerState: powerStateOf(libvirtState, facts.get('Id') ?? ''),
      libvirtState,
      persistent: facts.get('Persistent') === 'yes',
      hasSavedState: facts.get('Managed save') !== 'no',
    };
  }

  /** Whether libvirt is about to start it. Only a reason tells that from a server that somebody has paused. */
  async isStartingUp(server: ServerRef): Promise<boolean> {
    return STARTING_UP.test(await this.virsh.runOn(server.uuid, 'domstate', ['--reason']));
  }

  async stateOrNull(server: ServerRef): Promise<DomainState | null> {
    return orNull(this.state(server));
  }

  /** Throws `SERVER_NOT_STOPPED`, and `SERVER_HAS_SAVED_STATE` when stopped only means that its memory lies on disk. */
  async requireStopped(server: ServerRef, why: string): Promise<void> {
    const state = await this.state(server);
    if (state.powerState !== 'off') {
      throw new ModosuError('SERVER_NOT_STOPPED', `${server.name} is ${state.libvirtState}, and ${why} needs it to be stopped.`, {
        context: { uuid: server.uuid, state: state.libvirtState },
      });
    }
    if (state.hasSavedState) {
      throw new ModosuError(
        'SERVER_HAS_SAVED_STATE',
        `${server.name} has saved memory that belongs to its present disks, and ${why} is not possible with it.`,
        { context: { uuid: server.uuid } },
      );
    }
  }

  private async read(server: ServerRef, flags: readonly string[]): Promise<StoredDefinition> {
    const xml = await this.virsh.runOn(server.uuid, 'dumpxml', flags);
    const document = parseDomain(xml);
    const description = describeDomain(document);
    if (description.uuid.toLowerCase() !== server.uuid.toLowerCase()) {
      // virsh also looks a UUID up among the names.
      throw new ModosuError('SERVER_GONE', `The hypervisor knows no server with the UUID ${server.uuid}.`, { context: { uuid: server.uuid } });
    }
    return { xml, document, description };
  }
}

async function orNull<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await promise;
  } catch (error) {
    if (isModosuError(error) && error.code === 'SERVER_GONE') return null;
    throw error;
  }
}

/** `Key:   value` lines; the first of a key counts. */
function parseFacts(text: string): Map<string, string> {
  const facts = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, key, value] = /^([^:]+):\s*(.*)$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined && !facts.has(key)) facts.set(key, value.trim());
  }
  return facts;
}

/** Off only when libvirt has no process for the domain: every other word, known or not, means that its disks may be in use. */
export function powerStateOf(libvirtState: string, id: string): PowerState {
  if (id === '-' && (libvirtState === 'shut off' || libvirtState === 'crashed')) return 'off';
  return ['paused', 'pmsuspended', 'crashed'].includes(libvirtState) ? 'paused' : 'running';
}
