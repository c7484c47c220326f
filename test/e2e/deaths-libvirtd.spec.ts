import { describeDeaths } from './deaths.contract';

jest.setTimeout(1_200_000);

// Alone: every other test that uses libvirt at the same time would hear of it.
describeDeaths((victim) => victim === 'libvirtd');
