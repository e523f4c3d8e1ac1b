import { isDeepStrictEqual } from 'node:util';
import type { Endpoints } from '../../api/kubernetes/core-v1.ts';
import type { EndpointSlice } from '../../api/kubernetes/discovery-v1.ts';
import {
  validateEndpointSlice,
  validateEndpointSliceUpdate,
  validateEndpoints,
} from '../../api/validation/endpoints.ts';
import { typedStrategy } from './typed-strategy.ts';

export const endpointsStrategy = typedStrategy<Endpoints>({
  validate: validateEndpoints,
  // What is stored may stay, so that labels of an object from before a rule can change.
  validateUpdate: (endpoints, old) =>
    isDeepStrictEqual(endpoints.subsets, old.subsets) ? [] : validateEndpoints(endpoints),
  warnings: () => ['v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice'],
});

export const endpointSliceStrategy = typedStrategy<EndpointSlice>({
  validate: validateEndpointSlice,
  validateUpdate: validateEndpointSliceUpdate,
});
