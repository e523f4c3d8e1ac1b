import type { GroupVersionKind, JsonObject } from '../../api/object.ts';
import type { ResourceInfo } from '../../api/resource-info.ts';
import { scheme } from '../../api/scheme.ts';
import { refTo, type SchemaOptions } from './schemas.ts';

interface PathOptions {
  readonly form: SchemaOptions['form'];
  /** Whether operations name their bodies and answers; clients that only look for parameters do without. */
  readonly bodies: boolean;
}

/** Method and action by verb, for one object, and for a collection. */
const itemMethods = { get: 'get', update: 'put', patch: 'patch', delete: 'delete' } as const;
const collectionMethods = { list: 'get', create: 'post', deletecollection: 'delete' } as const;
const actions: Readonly<Record<string, string>> = { create: 'post', update: 'put' };

/** Query parameters that clients look for in the document before they use them. */
const writeParameters = ['dryRun', 'fieldManager', 'fieldValidation', 'pretty'];
const listParameters = [
  'allowWatchBookmarks',
  'continue',
  'fieldSelector',
  'labelSelector',
  'limit',
  'resourceVersion',
  'resourceVersionMatch',
  'sendInitialEvents',
  'timeoutSeconds',
  'watch',
];

/** The `paths` object for some resources of one or more group-versions. */
export function buildPaths(resources: readonly ResourceInfo[], options: PathOptions): Record<string, JsonObject> {
  const paths: Record<string, JsonObject> = {};
  for (const info of resources) {
    const root = info.group === '' ? `/api/${info.version}` : `/apis/${info.group}/${info.version}`;
    const scope = info.namespaced ? `${root}/namespaces/{namespace}` : root;
    const collection = `${scope}/${info.resource}`;
    addPath(paths, collection, info, info.verbs, collectionMethods, options);
    if (info.namespaced && info.verbs.includes('list')) {
      addPath(paths, `${root}/${info.resource}`, info, ['list'], collectionMethods, options);
    }
    addPath(paths, `${collection}/{name}`, info, info.verbs, itemMethods, options);
    for (const { name, kind, verbs } of info.subresources.values()) {
      const methods = { ...itemMethods, create: 'post' } as const;
      addPath(paths, `${collection}/{name}/${name}`, { ...info, ...kind }, verbs, methods, options);
    }
  }
  return paths;
}

function addPath(
  paths: Record<string, JsonObject>,
  path: string,
  gvk: GroupVersionKind,
  verbs: readonly string[],
  methods: Readonly<Record<string, string>>,
  options: PathOptions,
): void {
  const operations: JsonObject = {};
  for (const [verb, method] of Object.entries(methods)) {
    if (verbs.includes(verb)) operations[method] = operation(verb, gvk, options);
  }
  if (Object.keys(operations).length === 0) return;
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  if (names.length > 0) operations['parameters'] = names.map((name) => parameter(name, 'path', options.form));
  paths[path] = operations;
}

function operation(verb: string, gvk: GroupVersionKind, options: PathOptions): JsonObject {
  const writes = ['create', 'update', 'patch', 'delete', 'deletecollection'].includes(verb);
  const names = writes ? writeParameters : options.bodies && verb === 'list' ? listParameters : [];
  const { group, version, kind } = gvk;
  const model = scheme.modelFor(verb === 'list' ? { ...gvk, kind: `${kind}List` } : gvk);
  const takes = verb === 'create' || verb === 'update';
  return {
    'x-kubernetes-action': actions[verb] ?? verb,
    'x-kubernetes-group-version-kind': { group, kind, version },
    parameters: [
      ...names.map((name) => parameter(name, 'query', options.form)),
      ...(options.bodies && options.form === 'v2' && takes && model
        ? [{ name: 'body', in: 'body', required: true, schema: refTo(model, 'v2') }]
        : []),
    ],
    ...(options.bodies && options.form === 'v3' && takes && model && { requestBody: body(model) }),
    responses: { '200': response(options.bodies ? model : undefined, options.form) },
  };
}

function parameter(name: string, place: 'path' | 'query', form: SchemaOptions['form']): JsonObject {
  const type = name === 'limit' || name === 'timeoutSeconds' ? 'integer' : 'string';
  const required: JsonObject = place === 'path' ? { required: true } : {};
  return form === 'v2' ? { name, in: place, ...required, type } : { name, in: place, ...required, schema: { type } };
}

function body(model: string): JsonObject {
  return { content: { 'application/json': { schema: refTo(model, 'v3') } } };
}

function response(model: string | undefined, form: SchemaOptions['form']): JsonObject {
  if (model === undefined) return { description: 'OK' };
  return { description: 'OK', ...(form === 'v2' ? { schema: refTo(model, 'v2') } : body(model)) };
}
