import type { PersistentVolume, PersistentVolumeClaim } from '../../api/kubernetes/core-v1.ts';
import { validateClaim, validateClaimUpdate, validateVolume } from '../../api/validation/persistent-volume.ts';
import { typedStrategy } from './typed-strategy.ts';

export const persistentVolumeStrategy = typedStrategy<PersistentVolume>({
  prepareForCreate(volume, { clock }) {
    volume.status = {
      phase: 'Pending',
      lastPhaseTransitionTime: new Date(clock.now()).toISOString().replace(/\.\d+/, ''),
    };
  },
  validate: validateVolume,
  validateUpdate: (volume, _old, { subresource }) => (subresource === 'status' ? [] : validateVolume(volume)),
});

export const persistentVolumeClaimStrategy = typedStrategy<PersistentVolumeClaim>({
  prepareForCreate(claim) {
    claim.status = { phase: 'Pending' };
  },
  validate: validateClaim,
  validateUpdate: (claim, old, { subresource }) => (subresource === 'status' ? [] : validateClaimUpdate(claim, old)),
});
