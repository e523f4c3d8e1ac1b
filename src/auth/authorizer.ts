import type { UserInfo } from './user.ts';

/** What a request wants to do. Source: k8s.io/apiserver `pkg/authorization/authorizer`. */
export type Attributes =
  | {
      readonly kind: 'resource';
      readonly user: UserInfo;
      readonly verb: string;
      readonly group: string;
      readonly version: string;
      readonly resource: string;
      readonly subresource: string;
      /** `''` at cluster scope. */
      readonly namespace: string;
      /** `''` where none is named. */
      readonly name: string;
      /** As the query has them, on list, watch and deletecollection. */
      readonly fieldSelector?: string;
      readonly labelSelector?: string;
    }
  | { readonly kind: 'nonResource'; readonly user: UserInfo; readonly verb: string; readonly path: string };

export type Decision =
  | { readonly verdict: 'allow'; readonly reason: string }
  | { readonly verdict: 'deny'; readonly reason: string }
  /** `error` says that something needed for the decision was missing or broken, for example a role. */
  | { readonly verdict: 'noOpinion'; readonly reason: string; readonly error?: Error };

/** Says whether a request may go on. `allow` and `deny` end the search; nobody allowing means no. */
export interface Authorizer {
  readonly name: string;
  authorize(attributes: Attributes): Decision | Promise<Decision>;
}
