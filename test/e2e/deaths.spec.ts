import { describeDeaths } from './deaths.contract';

jest.setTimeout(1_200_000);

describeDeaths((victim) => victim !== 'libvirtd');
