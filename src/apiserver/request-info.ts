/** What a URL and a method ask for. Source: k8s.io/apiserver `pkg/endpoints/request/requestinfo.go`. */
export interface RequestInfo {
  readonly isResourceRequest: boolean;
  readonly path: string;
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; the lower-case method for other paths. */
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  /** Segments behind the subresource: the path to proxy to. */
  readonly rest: readonly string[];
  readonly namespace: string;
  readonly name: string;
}
