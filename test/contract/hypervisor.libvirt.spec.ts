import { createLibvirtLab } from '../support/libvirt-lab';
import { describeHypervisor } from './hypervisor.contract';

jest.setTimeout(60_000);

describeHypervisor('libvirt', createLibvirtLab);
