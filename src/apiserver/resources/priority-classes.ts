import type { PriorityClass } from '../../api/kubernetes/scheduling-v1.ts';
import { validatePriorityClass, validatePriorityClassUpdate } from '../../api/validation/priority-class.ts';
import { typedStrategy } from './typed-strategy.ts';

export const priorityClassStrategy = typedStrategy<PriorityClass>({
  validate: validatePriorityClass,
  validateUpdate: validatePriorityClassUpdate,
});
