export { backupImage } from './backup-image';
export { cleanUpRun } from './clean-up-run';
export { confirmRestore } from './confirm-restore';
export { planRestore } from './plan-restore';
export { planUndo } from './plan-undo';
export { restoreServer } from './restore-server';
export { undoRestore } from './undo-restore';
