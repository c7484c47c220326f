import { describeDeaths } from '../support/deaths';

jest.setTimeout(1_200_000);

describeDeaths((victim) => victim !== 'libvirtd');
