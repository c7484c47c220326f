import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerRef } from '../../src/contracts/server';
import { pattern } from '../support/hypervisor-lab';
import { shippedProfile } from '../support/judged-profile';
import { JudgedRelation } from '../support/judged-relation';
import { createLibvirtLab, type LibvirtLab } from '../support/libvirt-lab';
import { newFence } from './hypervisor.contract';
import { CONTENT_BYTES, SwappedServers } from './hypervisor.way-back.fixtures';

jest.setTimeout(120_000);

/** Real domains, whose definitions libvirt itself keeps. What runs in them is nothing: what it would see is the id that libvirt says it gives them. */
describe('the profile generation-id', () => {
  let lab: LibvirtLab;
  let servers: SwappedServers;
  beforeAll(async () => {
    lab = await createLibvirtLab();
    servers = new SwappedServers(lab);
  });
  afterAll(() => lab?.dispose());

  const make = (genid: boolean): Promise<ServerRef> =>
    servers.make({ genid, nvram: undefined, nics: [], disks: [{ target: 'vda', format: 'qcow2', content: pattern(1, CONTENT_BYTES) }] });
  const judged = (server: ServerRef): JudgedRelation => {
    const target = async () => ({
      agent: null,
      address: null,
      facts: { generationId: (await lab.hypervisor.inspect(server)).generationId },
      now: () => new Date(),
    });
    return new JudgedRelation(shippedProfile('generation-id'), { name: 'dc1', target }, { name: 'dc2', target });
  };
  /** Of the running domain, as its guest sees it. */
  const idInside = async (server: ServerRef): Promise<string | undefined> => /<genid>(.*)<\/genid>/.exec(await lab.virsh('dumpxml', server.uuid))?.[1];

  async function restoreAndStart(server: ServerRef, renewGenerationId: boolean): Promise<void> {
    const run = await servers.take(server);
    const made = await servers.copyFrom(server, server, run.runId);
    await lab.hypervisor.swap({ server, fence: run, definition: { from: 'present' }, ...made, renewGenerationId, quarantinedMacs: [] });
    await lab.hypervisor.start(server, run);
  }

  it('lets a restored server to its network that has got a new id', async () => {
    const server = await make(true);
    const relation = judged(server);
    const { 'server.generation-id.recovery-point': captured } = await relation.capture();
    const { generationId } = await lab.hypervisor.inspect(server);
    expect(captured).toMatchObject({ state: 'read', value: generationId?.toLowerCase() });
    expect((await relation.judge('plan')).verdicts).toEqual(['ok RELATION_AGREES']);
    await restoreAndStart(server, true);
    expect(await idInside(server)).not.toBe(generationId);
    for (const phase of ['quarantine', 'live'] as const) expect((await relation.judge(phase)).verdicts).toEqual(['ok RELATION_AGREES']);
  });

  it('stops one that runs with the id of the recovery point: libvirt keeps it when disks are put back', async () => {
    const server = await make(true);
    const relation = judged(server);
    await relation.capture();
    const { generationId } = await lab.hypervisor.inspect(server);
    await restoreAndStart(server, false);
    expect(await idInside(server)).toBe(generationId);
    const { verdicts, findings } = await relation.judge('quarantine');
    expect(verdicts).toEqual(['block GENERATION_ID_NOT_RENEWED']);
    expect(findings[0]?.message).toContain(generationId);
  });

  it('stops one that was removed and is defined again from the definition of its recovery point, unless it gets a new id', async () => {
    const server = await make(true);
    const relation = judged(server);
    await relation.capture();
    const path = join(lab.exportDirectory, `${server.uuid}.xml`);
    await lab.hypervisor.exportDefinition(server, path);
    await lab.forget(server);
    await lab.virsh('define', path);
    expect((await relation.judge('quarantine')).verdicts).toEqual(['block GENERATION_ID_NOT_RENEWED']);

    const run = newFence();
    const made = await servers.copyFrom(server, server, run.runId);
    await lab.forget(server);
    await lab.hypervisor.swap({ server, fence: run, definition: { from: 'recovery-point', path }, ...made, renewGenerationId: true, quarantinedMacs: [] });
    await lab.hypervisor.start(server, run);
    expect((await relation.judge('quarantine')).verdicts).toEqual(['ok RELATION_AGREES']);
  });

  it('knows that an id protects nothing which was not there when the image was taken', async () => {
    const server = await make(false);
    const relation = judged(server);
    expect(await relation.capture()).toMatchObject({ 'server.generation-id.recovery-point': { state: 'read', value: 'none' } });
    expect((await relation.judge('plan')).verdicts).toEqual(['block GENERATION_ID_NOT_CAPTURED']);
    const without = await lab.virsh('dumpxml', server.uuid);
    await lab.forget(server);
    const path = join(lab.exportDirectory, `${server.uuid}-with.xml`);
    await writeFile(path, without.replace('<memory ', '<genid/><memory '));
    await lab.virsh('define', path);
    expect((await lab.hypervisor.inspect(server)).generationId).not.toBeNull();
    expect((await relation.judge('plan')).verdicts).toEqual(['block GENERATION_ID_NOT_CAPTURED']);
  });
});
