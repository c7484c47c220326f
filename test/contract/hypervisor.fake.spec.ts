import { createFakeLab } from '../support/fake-lab';
import { describeHypervisor } from './hypervisor.contract';

describeHypervisor('fake', createFakeLab);
