import { type Field, findModel, types } from '../api/model.ts';

/** A nested message whose fields are flat in JSON: a struct that Go embeds. */
export interface EmbeddedMessage {
  readonly number: number;
  /** The model that `pointerScalars` and `zeroKept` know it by. */
  readonly model: string;
  /** JSON name to field number inside the nested message. */
  readonly fields: Readonly<Record<string, number>>;
  readonly embedded?: EmbeddedMessage;
}

const core = 'io.k8s.api.core.v1';
const rule: EmbeddedMessage = {
  number: 2,
  model: 'io.k8s.api.admissionregistration.v1.Rule',
  fields: { apiGroups: 1, apiVersions: 2, resources: 3, scope: 4 },
};
const ruleWithOperations: EmbeddedMessage = {
  number: 2,
  model: 'io.k8s.api.admissionregistration.v1.RuleWithOperations',
  fields: { operations: 1 },
  embedded: rule,
};

/** By the last part of the embedded message's name, as `protobuf.inlineMessages` has it. */
const messages: Readonly<Record<string, Omit<EmbeddedMessage, 'number'>>> = {
  localObjectReference: { model: `${core}.LocalObjectReference`, fields: { name: 1 } },
  ingressRuleValue: { model: 'io.k8s.api.networking.v1.IngressRuleValue', fields: { http: 1 } },
  deviceConfiguration: { model: 'io.k8s.api.resource.v1.DeviceConfiguration', fields: { opaque: 1 } },
  rule,
  ruleWithOperations,
  handler: { model: `${core}.ProbeHandler`, fields: numbersOf('k8s.io.api.core.v1.ProbeHandler') },
  volumeSource: { model: `${core}.VolumeSource`, fields: numbersOf('k8s.io.api.core.v1.VolumeSource') },
  persistentVolumeSource: {
    model: `${core}.PersistentVolumeSource`,
    fields: numbersOf('k8s.io.api.core.v1.PersistentVolumeSource'),
  },
  ephemeralContainerCommon: {
    model: `${core}.Container`,
    fields: numbersOf('k8s.io.api.core.v1.EphemeralContainerCommon'),
  },
};

/** The message that a model embeds, `undefined` for most models. */
export function embeddedMessageOf(model: string): EmbeddedMessage | undefined {
  const [inline] = types.protobuf.inlineMessages[model] ?? [];
  if (inline === undefined) return undefined;
  const [number, name] = inline;
  const message = messages[name];
  if (message === undefined) throw new Error(`Unknown embedded message ${name} in ${model}`);
  return { ...message, number };
}

/** Field numbers of `JSONSchemaProps` that its JSON names hide. Source: `apiextensions/v1/generated.proto`. */
const schemaNumbers: Readonly<Record<string, number>> = {
  $schema: 2,
  $ref: 3,
  'x-kubernetes-preserve-unknown-fields': 38,
  'x-kubernetes-embedded-resource': 39,
  'x-kubernetes-int-or-string': 40,
  'x-kubernetes-list-map-keys': 41,
  'x-kubernetes-list-type': 42,
  'x-kubernetes-map-type': 43,
  'x-kubernetes-validations': 44,
};

/** The number of a field of the model's own message; `undefined` for `kind` and `apiVersion`, which the envelope carries. */
export function fieldNumber(model: string, name: string): number | undefined {
  const own = findModel(model)?.fields?.[name]?.proto?.[0];
  if (own !== undefined) return own;
  return model.endsWith('.JSONSchemaProps') ? schemaNumbers[name] : undefined;
}

/** The model's field, wherever it is nested on the wire. */
export function fieldOf(model: string, name: string): Field | undefined {
  return findModel(model)?.fields?.[name];
}

function numbersOf(message: string): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(types.protoOnly[message] ?? {}).map(([name, [number]]) => [name, number]));
}
