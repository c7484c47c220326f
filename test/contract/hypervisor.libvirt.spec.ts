import { createLibvirtLab } from '../support/libvirt-lab';
import { describeHypervisor } from './hypervisor.contract';
import { describeOnlineBackup } from './hypervisor.online-backup.contract';

jest.setTimeout(180_000);

describeHypervisor('libvirt', createLibvirtLab);
describeOnlineBackup('libvirt', createLibvirtLab);
