import type { ConfigMap } from '../../api/kubernetes/core-v1.ts';
import { validateConfigMap, validateConfigMapUpdate } from '../../api/validation/config-map.ts';
import { typedStrategy } from './typed-strategy.ts';

export const configMapStrategy = typedStrategy<ConfigMap>({
  validate: validateConfigMap,
  validateUpdate: validateConfigMapUpdate,
});
