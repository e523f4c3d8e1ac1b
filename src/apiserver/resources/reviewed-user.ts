import type { UserInfo as ReviewedUser } from '../../api/kubernetes/authentication-v1.ts';
import type { UserInfo } from '../../auth/user.ts';

/** An identity as reviews answer it: what is empty is left out. */
export function formatUser({ username, uid, groups, extra }: UserInfo): ReviewedUser {
  return {
    username,
    ...(uid !== '' && { uid }),
    ...(groups.length > 0 && { groups: [...groups] }),
    ...(Object.keys(extra).length > 0 && {
      extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])),
    }),
  };
}
