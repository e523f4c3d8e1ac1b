import type { UserInfo } from './user.ts';

export const authenticatedGroup = 'system:authenticated';
export const unauthenticatedGroup = 'system:unauthenticated';

/** Adds `system:authenticated`, except to the anonymous user and to who is in one of the two groups already. */
export function withAuthenticatedGroup(user: UserInfo): UserInfo {
  const { username, groups } = user;
  if (username === 'system:anonymous' || groups.includes(authenticatedGroup) || groups.includes(unauthenticatedGroup))
    return user;
  return { ...user, groups: [...groups, authenticatedGroup] };
}
