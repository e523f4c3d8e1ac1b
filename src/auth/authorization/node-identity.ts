import type { UserInfo } from '../user.ts';

const prefix = 'system:node:';

/** The node's name where `user` is a kubelet (`''` where it shows none), `undefined` for everybody else. */
export function nodeIdentity({ username, groups }: UserInfo): string | undefined {
  if (!username.startsWith(prefix) || !groups.includes('system:nodes')) return undefined;
  return username.slice(prefix.length);
}
