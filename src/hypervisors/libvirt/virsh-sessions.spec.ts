import { isRead } from './virsh-sessions';

const UUID = 'f2e2a891-19aa-4dac-b5ee-4044d442aed7';

it.each([
  [['dumpxml', '--domain', UUID, '--inactive', '--security-info']],
  [['checkpoint-dumpxml', '--domain', UUID, '--checkpointname', 'modosu-rp_01m8hp5a5wkgnjsdtm1xk7baew', '--size', '--no-domain']],
  [['domjobinfo', '--domain', UUID]],
  [['domjobinfo', '--domain', UUID, '--completed', '--keep-completed']],
  [['list', '--all', '--uuid']],
  [['qemu-agent-command', '--domain', UUID, '--timeout', '5', '--cmd', '{"execute":"guest-ping"}']],
])('a look: %j', (args) => expect(isRead(args)).toBe(true));

it.each([
  ['what changes something', ['metadata', '--domain', UUID, '--config', '--remove']],
  ['what changes something', ['destroy', '--domain', UUID]],
  ['what runs in the guest', ['qemu-agent-command', '--domain', UUID, '--cmd', '{}']],
  ['of a completed job libvirt forgets what it has told', ['domjobinfo', '--domain', UUID, '--completed']],
  ['what runs in the guest', ['qemu-agent-command', '--domain', UUID, '--timeout', '5', '--cmd', '{"execute":"guest-fsfreeze-freeze"}']],
  ['what the agent says once', ['qemu-agent-command', '--domain', UUID, '--cmd', '{"execute":"guest-exec-status","arguments":{"pid":7}}']],
  ['a word with quotes', ['qemu-agent-command', '--domain', '{"execute":"guest-ping"}', '--cmd', '{"execute":"guest-ping"}']],
  ['a question that is none of a command', ['dumpxml', '--cmd', '{"execute":"guest-ping"}']],
  ['a word with a blank', ['dumpxml', '--domain', 'my server']],
  ['a word that ends a command', ['dumpxml', '--domain', `${UUID};destroy`]],
  ['a word on two lines', ['dumpxml', '--domain', `${UUID}\ndestroy`]],
  ['a word with quotes', ['checkpoint-dumpxml', '--domain', UUID, '--checkpointname', `it's`]],
  ['an empty word', ['dumpxml', '--domain', '']],
  ['nothing', []],
])('not a look that may be asked twice: %s (%j)', (_, args) => expect(isRead(args)).toBe(false));
