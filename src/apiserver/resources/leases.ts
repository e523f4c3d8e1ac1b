import type { Lease } from '../../api/kubernetes/coordination-v1.ts';
import { validateLease } from '../../api/validation/lease.ts';
import { typedStrategy } from './typed-strategy.ts';

export const leaseStrategy = typedStrategy<Lease>({ validate: validateLease });
