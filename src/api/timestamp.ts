const rfc3339 = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:[.,](\d+))?(Z|[+-]\d{2}:\d{2})$/;

/** An instant with all the digits that Kubernetes keeps. */
export interface Instant {
  readonly seconds: number;
  readonly nanos: number;
}

/** Reads RFC 3339 as Go does; `undefined` for anything else, an impossible date included. */
export function parseTimestamp(text: string): Instant | undefined {
  const match = rfc3339.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = '', zone = 'Z'] = match;
  const parts = [year, month, day, hour, minute, second].map(Number);
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0] = parts;
  const daysInMonth = new Date(Date.UTC(y, mo, 0)).getUTCDate();
  if (mo < 1 || mo > 12 || d < 1 || d > daysInMonth || h > 23 || mi > 59 || s > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(y, mo - 1, d);
  date.setUTCHours(h, mi, s);
  const seconds = date.getTime() / 1000 - offsetSeconds(zone);
  return { seconds, nanos: Number(fraction.slice(0, 9).padEnd(9, '0')) };
}

/** `metav1.Time`: whole seconds, UTC. */
export function formatTime({ seconds }: Instant): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}

/** `metav1.MicroTime`: always six decimals, UTC. */
export function formatMicroTime({ seconds, nanos }: Instant): string {
  const micros = Math.floor(nanos / 1000);
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${String(micros).padStart(6, '0')}Z`;
}

/** What Go says about a text that is no RFC 3339 time. */
export function timestampError(text: string, layout: string): string {
  return `parsing time ${JSON.stringify(JSON.stringify(text))} as ${JSON.stringify(`"${layout}"`)}: cannot parse ${JSON.stringify(`${text}"`)} as "2006"`;
}

function offsetSeconds(zone: string): number {
  if (zone === 'Z') return 0;
  const seconds = Number(zone.slice(1, 3)) * 3600 + Number(zone.slice(4, 6)) * 60;
  return zone.startsWith('-') ? -seconds : seconds;
}
