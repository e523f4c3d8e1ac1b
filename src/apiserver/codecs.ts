import type { GroupVersionKind, JsonKubeObject } from '../api/object.ts';

// placeholder until the api and wire modules land; replaced before anything ships
export function encodeObject(_object: JsonKubeObject, gvk: GroupVersionKind): Uint8Array {
  throw new Error(`no protobuf encoder for ${gvk.kind}`);
}
export function decodeProtobuf(_bytes: Uint8Array, gvk: GroupVersionKind): unknown {
  throw new Error(`no protobuf decoder for ${gvk.kind}`);
}
