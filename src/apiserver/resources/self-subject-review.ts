import type { JsonObject } from '../../api/object.ts';
import type { Clock } from '../../lib/clock.ts';
import { formatTime, systemClock } from '../../lib/clock.ts';
import type { ReviewHandler } from '../review.ts';
import { formatUser } from './reviewed-user.ts';

/** `selfsubjectreviews`: who the server takes the caller for, after impersonation (`kubectl auth whoami`). */
export function selfSubjectReviewHandler({ clock = systemClock }: { clock?: Clock } = {}): ReviewHandler {
  return async (object, { user }) => ({
    ...object,
    metadata: { ...object.metadata, creationTimestamp: formatTime(clock.now()) },
    status: { userInfo: formatUser(user) as JsonObject }, // strings and lists of strings only
  });
}
