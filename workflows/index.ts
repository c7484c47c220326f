export { backupImage } from './backup-image';
export { planRestore } from './plan-restore';
export { restoreServer } from './restore-server';
