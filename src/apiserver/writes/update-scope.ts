import type { JsonKubeObject, JsonObject, JsonValue } from '../../api/object.ts';

/**
 * Keeps an update to what its subresource may change: everything else is put back as it was. The main resource does not change `status`
 * where that is a subresource. Metadata is judged elsewhere.
 */
export function limitUpdate(
  object: JsonKubeObject,
  old: Readonly<JsonKubeObject>,
  { subresource, separateStatus }: { subresource: string; separateStatus: boolean },
): void {
  if (subresource === '') {
    if (separateStatus) put(object, 'status', old['status']);
    return;
  }
  const limit = scopes[subresource];
  if (!limit) return; // a handler of its own made the object from the old one
  const changed = limit(object, old);
  for (const field of new Set([...Object.keys(object), ...Object.keys(old)])) {
    if (field === 'metadata') continue;
    put(object, field, field in changed ? changed[field] : old[field]);
  }
}

/** The top-level fields that a subresource changes, as they shall be. */
type Scope = (object: JsonKubeObject, old: Readonly<JsonKubeObject>) => Record<string, JsonValue | undefined>;

const scopes: Readonly<Record<string, Scope>> = {
  status: (object) => ({ status: object['status'] }),
  /** Namespaces: the controller gives them free. */
  finalize: (object, old) => ({ spec: withField(old['spec'], 'finalizers', fieldOf(object['spec'], 'finalizers')) }),
  /** Certificate signing requests: approval and denial are conditions. */
  approval: (object, old) => ({
    status: withField(old['status'], 'conditions', fieldOf(object['status'], 'conditions')),
  }),
  /** Pods. */
  ephemeralcontainers: (object, old) => ({
    spec: withField(old['spec'], 'ephemeralContainers', fieldOf(object['spec'], 'ephemeralContainers')),
  }),
  /** Pods: the resources of each container that is there already. */
  resize: (object, old) => ({ spec: resized(object['spec'], old['spec']) }),
};

function resized(spec: JsonValue | undefined, old: JsonValue | undefined): JsonValue | undefined {
  let result = old;
  for (const list of ['containers', 'initContainers']) {
    const wanted = fieldOf(spec, list);
    const containers = fieldOf(old, list);
    if (!Array.isArray(containers) || !Array.isArray(wanted)) continue;
    const sized = containers.map((container) => {
      const match = wanted.find((candidate) => fieldOf(candidate, 'name') === fieldOf(container, 'name'));
      if (match === undefined) return container;
      const resources = withField(container, 'resources', fieldOf(match, 'resources'));
      return withField(resources, 'resizePolicy', fieldOf(match, 'resizePolicy'));
    });
    result = withField(result, list, sized as JsonValue);
  }
  return result;
}

function put(object: JsonObject, field: string, value: JsonValue | undefined): void {
  if (value === undefined) delete object[field];
  else object[field] = value;
}

function fieldOf(value: JsonValue | undefined, field: string): JsonValue | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value[field] : undefined;
}

/** A copy with one field changed. */
function withField(value: JsonValue | undefined, field: string, to: JsonValue | undefined): JsonValue {
  const copy = typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
  put(copy, field, to);
  return copy;
}
