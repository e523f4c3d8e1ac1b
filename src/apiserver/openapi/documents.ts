import { type JsonObject, parseApiVersion } from '../../api/object.ts';
import type { ResourceInfo } from '../../api/resource-info.ts';
import { scheme } from '../../api/scheme.ts';
import { kubernetesVersion } from '../../lib/version.ts';
import { loadDescriptions } from './descriptions.ts';
import { buildPaths } from './paths.ts';
import { collectSchemas } from './schemas.ts';

const info = { title: 'Kubernetes', version: kubernetesVersion.gitVersion };

/** Keys of OpenAPI 3 documents as the index has them: `api/v1`, `apis/apps/v1`, … */
export function documentKeys(): string[] {
  return scheme.groups.flatMap(({ name, versions }) =>
    versions.map(({ version }) => (name === '' ? `api/${version}` : `apis/${name}/${version}`)),
  );
}

/** The OpenAPI 3 document of one group-version, `undefined` for an unknown key. */
export function buildOpenApiV3(key: string): JsonObject | undefined {
  const { group, version } = parseApiVersion(key.replace(/^apis?\//, '')) ?? { group: '', version: '' };
  const resources = scheme.groups
    .find(({ name }) => name === group)
    ?.versions.find((v) => v.version === version)?.resources;
  if (!resources || documentKeys().indexOf(key) < 0) return undefined;
  const descriptions = loadDescriptions();
  return {
    openapi: '3.0.0',
    info,
    paths: buildPaths(resources, { form: 'v3', bodies: true }),
    components: { schemas: collectSchemas(rootModels(resources), { form: 'v3', descriptions }) },
  };
}

/** The one OpenAPI 2 document of everything. */
export function buildOpenApiV2(): JsonObject {
  return {
    swagger: '2.0',
    info,
    paths: buildPaths(scheme.resources, { form: 'v2', bodies: false }),
    definitions: collectSchemas(rootModels(scheme.resources), { form: 'v2', descriptions: loadDescriptions() }),
  };
}

/** What a document must have at least: the kinds that are sent and answered, and those of every request. */
function rootModels(resources: readonly ResourceInfo[]): string[] {
  const kinds = resources.flatMap((resource) => [
    resource,
    { ...resource, kind: resource.listKind },
    ...[...resource.subresources.values()].map((subresource) => subresource.kind),
  ]);
  const meta = ['DeleteOptions', 'Status'].map((kind) => ({ group: '', version: 'v1', kind }));
  return [...kinds, ...meta].flatMap((kind) => scheme.modelFor(kind) ?? []);
}
