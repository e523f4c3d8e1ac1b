import { randomUUID } from 'node:crypto';
import { isJsonObject } from '../../api/json-object.ts';
import type { JsonKubeObject, JsonObject } from '../../api/object.ts';
import type { ResourceInfo } from '../../api/resource-info.ts';
import type { AdmissionAttributes } from '../admission/admission.ts';
import { kindOf, showObject } from './reviewed-object.ts';

export type ReviewVersion = 'v1' | 'v1beta1';

/** The first of a webhook's versions that this server speaks. @throws {Error} */
export function chooseReviewVersion(versions: readonly string[]): ReviewVersion {
  for (const version of versions) if (version === 'v1' || version === 'v1beta1') return version;
  throw new Error('webhook does not accept known AdmissionReview versions (v1, v1beta1)');
}

export interface ReviewRequest {
  readonly uid: string;
  readonly body: Buffer;
}

/** The `AdmissionReview` that asks about a request as it looks in `version`, one of the resource's served versions. */
export function encodeReview(
  attributes: AdmissionAttributes,
  { review, version, mutating }: { review: ReviewVersion; version: ResourceInfo; mutating: boolean },
): ReviewRequest {
  const { operation, subresource, namespace, name, user, dryRun, object, oldObject, resource } = attributes;
  const requested = attributes.requested ?? resource;
  const uid = randomUUID();
  const ownNamespace = resource.group === '' && resource.resource === 'namespaces';
  const request = {
    uid,
    kind: kindOf(attributes, version),
    resource: groupVersionResource(version),
    ...(subresource !== '' && { subResource: subresource }),
    requestKind: kindOf(attributes, requested),
    requestResource: groupVersionResource(requested),
    ...(subresource !== '' && { requestSubResource: subresource }),
    ...(name !== '' && { name }),
    ...((namespace !== '' || ownNamespace) && { namespace: ownNamespace ? name : namespace }),
    operation,
    userInfo: {
      username: user.username,
      ...(user.uid !== '' && { uid: user.uid }),
      ...(user.groups.length > 0 && { groups: user.groups }),
      ...(Object.keys(user.extra).length > 0 && { extra: user.extra }),
    },
    object: object ? showObject(attributes, mutating ? object : withRevision(object, oldObject), version) : null,
    oldObject: oldObject ? showObject(attributes, oldObject, version) : null,
    dryRun,
    // A patch is an update by then.
    options: { ...attributes.options, kind: optionKinds[operation], apiVersion: 'meta.k8s.io/v1' },
  };
  if (operation === 'CONNECT') request.options = null as unknown as typeof request.options; // a connection has none
  const body = { kind: 'AdmissionReview', apiVersion: `admission.k8s.io/${review}`, request };
  return { uid, body: Buffer.from(JSON.stringify(body)) };
}

/** An update that named no revision is one of the revision that it found. */
function withRevision(object: JsonKubeObject, old: Readonly<JsonKubeObject> | undefined): JsonKubeObject {
  const resourceVersion = old?.metadata['resourceVersion'];
  if (resourceVersion === undefined || object.metadata['resourceVersion'] !== undefined) return object;
  return { ...object, metadata: { ...object.metadata, resourceVersion } };
}

const optionKinds = {
  CREATE: 'CreateOptions',
  UPDATE: 'UpdateOptions',
  DELETE: 'DeleteOptions',
  CONNECT: '',
} as const;

function groupVersionResource({ group, version, resource }: ResourceInfo): object {
  return { group, version, resource };
}

/** What a webhook answered. */
export interface ReviewResponse {
  readonly allowed: boolean;
  /** A JSON patch, of mutating webhooks. */
  readonly patch: unknown;
  /** A `Status`, as far as it was given. */
  readonly status: JsonObject;
  readonly warnings: readonly string[];
  readonly auditAnnotations: Readonly<Record<string, string>>;
}

/** Reads a webhook's answer. @throws {Error} in upstream's words for one that breaks the protocol */
export function parseReview(
  bytes: Uint8Array,
  { uid, review, mutating }: { uid: string; review: ReviewVersion; mutating: boolean },
): ReviewResponse {
  const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
  const body = isJsonObject(value) ? value : {};
  const { response } = body;
  if (review === 'v1') {
    const { apiVersion, kind } = body;
    if (apiVersion !== 'admission.k8s.io/v1' || kind !== 'AdmissionReview') {
      const shown = `${String(apiVersion ?? '')}, Kind=${String(kind ?? '')}`;
      throw new Error(`expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got ${shown}`);
    }
  }
  if (!isJsonObject(response)) throw new Error('webhook response was absent');
  if (review === 'v1') checkStrict(response, { uid, mutating });
  const { allowed, patch, status, warnings, auditAnnotations } = response;
  return {
    allowed: allowed === true,
    patch: mutating && typeof patch === 'string' && patch !== '' ? decodePatch(patch) : undefined,
    status: isJsonObject(status) ? status : {},
    warnings: Array.isArray(warnings) ? warnings.filter((text) => typeof text === 'string') : [],
    auditAnnotations: isJsonObject(auditAnnotations)
      ? Object.fromEntries(Object.entries(auditAnnotations).map(([key, text]) => [key, String(text)]))
      : {},
  };
}

function checkStrict(response: JsonObject, { uid, mutating }: { uid: string; mutating: boolean }): void {
  const { patch, patchType } = response;
  if (response['uid'] !== uid) {
    throw new Error(`expected response.uid="${uid}", got ${JSON.stringify(response['uid'] ?? '')}`);
  }
  const patched = typeof patch === 'string' && patch !== '';
  const typed = patchType !== undefined && patchType !== null;
  if (!mutating) {
    if (patched) throw new Error('validating webhook may not return response.patch');
    if (typed) throw new Error('validating webhook may not return response.patchType');
    return;
  }
  if (patched && !typed) throw new Error('webhook returned response.patch but not response.patchType');
  if (typed && !patched) throw new Error('webhook returned response.patchType but not response.patch');
  if (typed && patchType !== 'JSONPatch') {
    throw new Error(`webhook returned invalid response.patchType of ${JSON.stringify(patchType)}`);
  }
}

function decodePatch(patch: string): unknown {
  return JSON.parse(Buffer.from(patch, 'base64').toString('utf8'));
}
