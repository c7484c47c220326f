import { wayToShare } from './virsh-sessions';

const UUID = 'f2e2a891-19aa-4dac-b5ee-4044d442aed7';

it.each([
  [['dumpxml', '--domain', UUID, '--inactive', '--security-info']],
  [['checkpoint-dumpxml', '--domain', UUID, '--checkpointname', 'modosu-rp_01m8hp5a5wkgnjsdtm1xk7baew', '--size', '--no-domain']],
  [['domjobinfo', '--domain', UUID]],
  [['domjobinfo', '--domain', UUID, '--completed', '--keep-completed']],
  [['list', '--all', '--uuid']],
  [['qemu-agent-command', '--domain', UUID, '--timeout', '5', '--cmd', '{"execute":"guest-ping"}']],
])('a look: %j', (args) => expect(wayToShare(args)).toBe('again'));

it.each([
  ['what changes something', ['metadata', '--domain', UUID, '--config', '--remove']],
  ['what changes something', ['destroy', '--domain', UUID]],
  ['what runs in the guest', ['qemu-agent-command', '--domain', UUID, '--cmd', '{}']],
  ['of a completed job libvirt forgets what it has told', ['domjobinfo', '--domain', UUID, '--completed']],
  ['what runs in the guest', ['qemu-agent-command', '--domain', UUID, '--timeout', '5', '--cmd', '{"execute":"guest-fsfreeze-freeze"}']],
  ['what is not ASCII', ['qemu-agent-command', '--domain', UUID, '--cmd', '{"execute":"guest-exec","arguments":{"path":"ä"}}']],
  ['what is on two lines', ['qemu-agent-command', '--domain', UUID, '--cmd', '{"execute":"guest-exec",\n"arguments":{}}']],
  ['what is very long', ['qemu-agent-command', '--domain', UUID, '--cmd', `{"execute":"guest-exec","arguments":{"path":"${'x'.repeat(16_384)}"}}`]],
  ['what is no JSON', ['qemu-agent-command', '--domain', UUID, '--cmd', 'guest-ping']],
  ['a word with quotes', ['qemu-agent-command', '--domain', '{"execute":"guest-ping"}', '--cmd', '{"execute":"guest-ping"}']],
  ['a question that is none of a command', ['dumpxml', '--cmd', '{"execute":"guest-ping"}']],
  ['a word with a blank', ['dumpxml', '--domain', 'my server']],
  ['a word that ends a command', ['dumpxml', '--domain', `${UUID};destroy`]],
  ['a word on two lines', ['dumpxml', '--domain', `${UUID}\ndestroy`]],
  ['a word with quotes', ['checkpoint-dumpxml', '--domain', UUID, '--checkpointname', `it's`]],
  ['an empty word', ['dumpxml', '--domain', '']],
  ['nothing', []],
])('for a process of its own: %s (%j)', (_, args) => expect(wayToShare(args)).toBeNull());

it.each([
  [{ execute: 'guest-exec', arguments: { path: '/bin/sh', arg: ['-c', `echo "it's"; exit 3`], 'capture-output': true } }],
  [{ execute: 'guest-exec-status', arguments: { pid: 7 } }],
  [{ execute: 'guest-file-read', arguments: { handle: 1, count: 4096 } }],
])('asked of an agent once: %j', (request) => {
  expect(wayToShare(['qemu-agent-command', '--domain', UUID, '--timeout', '5', '--cmd', JSON.stringify(request)])).toBe('once');
});
