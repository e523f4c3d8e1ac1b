import type { FieldError } from '../../api/field-error.ts';
import type { JsonKubeObject, JsonObject, KubeObject } from '../../api/object.ts';
import type { Reservation, Strategy, StrategyContext } from '../strategy.ts';

/** A {@link Strategy} in terms of its resource's model. */
export interface TypedStrategy<T extends KubeObject>
  extends Pick<
    Strategy,
    | 'nameRule'
    | 'allowCreateOnUpdate'
    | 'allowUnconditionalUpdate'
    | 'returnsDeletedObject'
    | 'generation'
    | 'separateStatus'
    | 'ignoresPropagation'
  > {
  prepareForCreate?(object: T, context: StrategyContext): void;
  prepareForUpdate?(object: T, old: Readonly<T>, context: StrategyContext): void;
  validate?(object: Readonly<T>, context: StrategyContext): FieldError[];
  validateUpdate?(object: Readonly<T>, old: Readonly<T>, context: StrategyContext): FieldError[];
  warnings?(object: Readonly<T>, old: Readonly<T> | undefined, context: StrategyContext): string[];
  gracePeriodSeconds?(object: Readonly<T>, requested: number | undefined): number;
  keepsWhileDeleting?(object: Readonly<T>): boolean;
  markDeleting?(object: T): void;
  checkDelete?(object: Readonly<T>, options: JsonObject, context: StrategyContext): void;
  reserve?(object: T, old: Readonly<T> | undefined, context: StrategyContext): Reservation | Promise<Reservation>;
  afterDelete?(object: Readonly<T>, context: StrategyContext): void;
}

/** Objects come decoded against the model of their storage version, so they have its type. */
export function typedStrategy<T extends KubeObject>(strategy: TypedStrategy<T>): Strategy {
  // Only the parameters' type differs, and what the decoder has checked makes the wider one true.
  return strategy as unknown as Strategy & {
    prepareForCreate?(object: JsonKubeObject, context: StrategyContext): void;
  };
}
