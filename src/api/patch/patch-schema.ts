import { type Field, findModel } from '../model.ts';

/** What strategic merge needs to know about one place in an object; `undefined` where nothing is known. */
export interface PatchSchema {
  readonly field: Field;
}

/** The root of an object of this model. */
export function rootSchema(model: string): PatchSchema {
  return { field: { ref: model } };
}

/** The field (or map entry) `key` of the struct or map at `schema`. */
export function childSchema(schema: PatchSchema | undefined, key: string): PatchSchema | undefined {
  const field = schema?.field;
  if (field?.map !== undefined) return { field: field.map };
  const fields = field?.ref === undefined ? undefined : findModel(field.ref)?.fields;
  const child = fields !== undefined && Object.hasOwn(fields, key) ? fields[key] : undefined;
  return child === undefined ? undefined : { field: child };
}

/** The elements of the list at `schema`. */
export function elementSchema(schema: PatchSchema | undefined): PatchSchema | undefined {
  return schema?.field.list === undefined ? undefined : { field: schema.field.list };
}

/** Whether a list is merged with what is there (`merge`) instead of replacing it. */
export function isMerged(schema: PatchSchema | undefined): boolean {
  return strategies(schema).includes('merge');
}

/** Whether a struct is replaced as a whole. */
export function isReplaced(schema: PatchSchema | undefined): boolean {
  return strategies(schema).includes('replace');
}

/** The key that tells elements of a merged list apart; `undefined` for lists of scalars. */
export function mergeKeyOf(schema: PatchSchema | undefined): string | undefined {
  return schema?.field.patchMergeKey;
}

function strategies(schema: PatchSchema | undefined): readonly string[] {
  return schema?.field.patchStrategy?.split(',') ?? [];
}
