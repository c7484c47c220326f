import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { newId } from '../../src/contracts/ids';
import { findProgram, runCommand } from '../../src/system/child-process';
import { DataLab, freePort, killChild } from '../support/data-lab';
import { OffsiteLab } from '../support/offsite-lab';
import { eventually } from '../support/processes';
import { describeOffsiteRepository, type OffsiteUnderTest } from './offsite-repository.contract';
import { describeInFull } from '../support/thorough';

jest.setTimeout(120_000);

interface Place {
  readonly location: string;
  readonly end?: () => Promise<void>;
}

async function underTest(place: (lab: OffsiteLab) => Promise<Place>): Promise<OffsiteUnderTest> {
  const [source, target] = [await DataLab.start(), await DataLab.start()];
  const lab = new OffsiteLab();
  const { location, end } = await place(lab);
  return {
    repository: lab.repository({ location }),
    data: {
      repository: source.repository,
      take: async (serverId, { hostname, tags, files }) => {
        const root = source.files(newId('run'), files);
        return { snapshotId: await source.backUp(serverId, [root], { host: hostname, tags }), root };
      },
    },
    newData: target.repository,
    dispose: async () => {
      await end?.();
      await source.dispose();
      await target.dispose();
      await lab.dispose();
    },
  };
}

/** rclone as a server of this lab's directory; its port. */
async function served(how: readonly string[], lab: OffsiteLab): Promise<{ readonly port: number; readonly end: () => Promise<void> }> {
  const port = await freePort();
  const server = spawn(findProgram('rclone'), ['serve', ...how, '--addr', `127.0.0.1:${port}`, lab.stored], { stdio: 'ignore' });
  await eventually('it listens', () => reaches(port), 20_000);
  return { port, end: () => killChild(server) };
}

const reaches = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(socket.destroy().destroyed));
    socket.once('error', () => resolve(false));
  });

const credentials = (lab: OffsiteLab, text: string): void => {
  const file = lab.secrets.fileOf('offsite/vault/environment');
  mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 });
  writeFileSync(file, text, { mode: 0o600 });
};

describeOffsiteRepository('restic in a directory', () => underTest(async (lab) => ({ location: lab.stored })));

describeInFull('elsewhere', () => {
  describeOffsiteRepository('restic behind a REST server with a login', () =>
    underTest(async (lab) => {
      const { port, end } = await served(['restic', '--user', 'vault', '--pass', 'an öpen: pass@word/'], lab);
      credentials(lab, '# of the server\nRESTIC_REST_USERNAME=vault\nRESTIC_REST_PASSWORD=an öpen: pass@word/\n');
      return { location: `rest:http://127.0.0.1:${port}/`, end };
    }),
  );

  describeOffsiteRepository('restic over rclone', () =>
    underTest(async (lab) => {
      const config = join(lab.directory, 'rclone.conf');
      writeFileSync(config, '[far]\ntype = local\n');
      credentials(lab, `RCLONE_CONFIG=${config}\n`);
      return { location: `rclone:far:${lab.stored}/below` };
    }),
  );

  // The client is OpenSSH's, its server that of rclone.
  describeOffsiteRepository('restic over SFTP', () =>
    underTest(async (lab) => {
      const [key, hostKey] = [join(lab.directory, 'key'), join(lab.directory, 'host-key')];
      for (const file of [key, hostKey]) await runCommand(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', file]);
      const { port, end } = await served(['sftp', '--authorized-keys', `${key}.pub`, '--key', hostKey], lab);
      const known = join(lab.directory, 'known_hosts');
      writeFileSync(known, `[127.0.0.1]:${port} ${readFileSync(`${hostKey}.pub`, 'utf8')}`);
      const ssh = join(lab.directory, 'bin', 'ssh');
      mkdirSync(join(ssh, '..'));
      // What ~/.ssh/config of the worker's user says elsewhere. The server of rclone ends a session without an exit status: ssh then says 255.
      writeFileSync(ssh, `#!/bin/sh\n${findProgram('ssh')} -F none -o IdentityFile=${key} -o UserKnownHostsFile=${known} "$@"\nexit 0\n`);
      chmodSync(ssh, 0o755);
      const path = process.env['PATH'];
      process.env['PATH'] = `${join(ssh, '..')}:${path ?? ''}`;
      return {
        location: `sftp://modosu@127.0.0.1:${port}//vault`,
        end: async () => {
          process.env['PATH'] = path;
          await end();
        },
      };
    }),
  );
});
