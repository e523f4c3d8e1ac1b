const minuteSeconds = 60;
const hourSeconds = 3600;

/**
 * The short form in which Kubernetes prints ages: two units where they matter, one beyond.
 * Source: `k8s.io/apimachinery/pkg/util/duration` `HumanDuration`.
 */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 2 * minuteSeconds) return `${seconds}s`;
  const minutes = Math.floor(seconds / minuteSeconds);
  if (minutes < 10) return pair([minutes, 'm'], [seconds % 60, 's']);
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(seconds / hourSeconds);
  if (hours < 8) return pair([hours, 'h'], [minutes % 60, 'm']);
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (hours < 24 * 8) return pair([days, 'd'], [hours % 24, 'h']);
  if (hours < 24 * 365 * 2) return `${days}d`;
  const years = Math.floor(days / 365);
  if (hours < 24 * 365 * 8) return pair([years, 'y'], [days % 365, 'd']);
  return `${years}y`;
}

function pair([large, largeUnit]: readonly [number, string], [small, smallUnit]: readonly [number, string]): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`;
}
