import { convertObject } from '../../api/conversion.ts';
import { objectAt } from '../../api/json-object.ts';
import { formatApiVersion, type GroupVersionKind, type JsonKubeObject, parseApiVersion } from '../../api/object.ts';
import type { ResourceInfo } from '../../api/resource-info.ts';
import type { AdmissionAttributes } from '../admission/admission.ts';
import { scaleOf } from '../subresources/scale.ts';

const scaleKind: GroupVersionKind = { group: 'autoscaling', version: 'v1', kind: 'Scale' };

/**
 * What kind of object stands for a request: the resource in the version that a webhook knows, what only the subresource takes (such as
 * an `Eviction`), or a `Scale`, although the object that is written is the whole one.
 */
type Form = 'resource' | 'own' | 'scale';

function formOf({ object, oldObject, resource, subresource }: AdmissionAttributes): Form {
  const kind = (object ?? oldObject)?.['kind'];
  if (kind !== undefined && kind !== resource.kind) return 'own';
  const scaled = subresource === 'scale' && resource.subresources.get(subresource)?.kind.kind === 'Scale';
  return scaled ? 'scale' : 'resource';
}

/** The kind of the object as a webhook sees it. */
export function kindOf(attributes: AdmissionAttributes, version: ResourceInfo): GroupVersionKind {
  switch (formOf(attributes)) {
    case 'resource':
      return { group: version.group, version: version.version, kind: version.kind };
    case 'scale':
      return scaleKind;
    case 'own': {
      const { kind, apiVersion } = attributes.object ?? { kind: '', apiVersion: '' };
      return { ...(parseApiVersion(String(apiVersion)) ?? { group: '', version: 'v1' }), kind: String(kind) };
    }
  }
}

/** The object, or the old one, as a webhook sees it. */
export function showObject(
  attributes: AdmissionAttributes,
  object: Readonly<JsonKubeObject>,
  version: ResourceInfo,
): JsonKubeObject {
  switch (formOf(attributes)) {
    case 'scale': {
      const scale = scaleOf(object);
      const { replicas, ...spec } = objectAt(scale, 'spec') ?? {};
      return { ...scale, spec: { ...spec, ...(replicas && { replicas }) } };
    }
    case 'own': {
      if (attributes.operation !== 'CONNECT') {
        const { namespace } = attributes;
        return { ...object, metadata: { ...object.metadata, ...(namespace !== '' && { namespace }) } };
      }
      const { metadata: _none, ...options } = object;
      return options as JsonKubeObject; // options of a connection have no metadata
    }
    case 'resource': {
      const { kind, apiVersion, ...rest } = convertObject(object, attributes.resource, version);
      return {
        kind: kind ?? version.kind,
        apiVersion: apiVersion ?? formatApiVersion(version.group, version.version),
        ...rest,
      } as JsonKubeObject; // `rest` holds the metadata
    }
  }
}

/** The object, in its storage version, that a changed one stands for. The reverse of {@link showObject}. */
export function takeObject(
  attributes: AdmissionAttributes,
  { changed, object, version }: { changed: JsonKubeObject; object: JsonKubeObject; version: ResourceInfo },
): JsonKubeObject {
  switch (formOf(attributes)) {
    case 'scale':
      return {
        ...object,
        spec: { ...objectAt(object, 'spec'), replicas: objectAt(changed, 'spec')?.['replicas'] ?? 0 },
      };
    case 'own':
      return { ...changed, metadata: { ...changed.metadata } };
    case 'resource':
      return convertObject(changed, version, attributes.resource);
  }
}
