/** What {@link measureText} counts in one pass. */
export interface TextMeasure {
  /** How many object keys the text holds, duplicates included. */
  readonly keys: number;
  readonly depth: number;
}

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/** Counts keys and nesting of a text that is valid JSON, hopping over strings. */
export function measureText(text: string): TextMeasure {
  let keys = 0;
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) at = endOfString(text, at);
    else if (code === colon) keys++;
    else if (code === openBrace || code === openBracket) {
      if (++depth > deepest) deepest = depth;
    } else if (code === closeBrace || code === closeBracket) depth--;
  }
  return { keys, depth: deepest };
}

/** How many keys the objects of a parsed value have. `value` must not be deeper than a call stack. */
export function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let keys = 0;
  if (Array.isArray(value)) {
    for (const child of value) if (typeof child === 'object') keys += countKeys(child);
    return keys;
  }
  for (const child of Object.values(value)) {
    keys++;
    if (typeof child === 'object') keys += countKeys(child);
  }
  return keys;
}

interface Level {
  /** `undefined` in an array. */
  readonly seen: Set<string> | undefined;
  readonly path: string;
  key: string;
  index: number;
}

const maxDuplicates = 100;
const maxPathLength = 4096;

/** The paths of keys that occur again in the same object, in order, at most a hundred; `text` must be valid JSON. */
export function findDuplicateKeys(text: string): string[] {
  const found: string[] = [];
  const levels: Level[] = [];
  let expectKey = false;
  for (let at = 0; at < text.length && found.length < maxDuplicates; at++) {
    const code = text.charCodeAt(at);
    const level = levels.at(-1);
    if (code === quote) {
      const end = endOfString(text, at);
      if (expectKey && level?.seen !== undefined) {
        // Valid JSON was parsed before: this is a JSON string.
        level.key = JSON.parse(text.slice(at, end + 1)) as string;
        if (level.seen.has(level.key)) found.push(pathOf(level).slice(0, maxPathLength));
        level.seen.add(level.key);
        expectKey = false;
      }
      at = end;
    } else if (code === openBrace || code === openBracket) {
      const path = level === undefined ? '' : pathOf(level);
      levels.push({ seen: code === openBrace ? new Set() : undefined, path, key: '', index: 0 });
      expectKey = code === openBrace;
    } else if (code === closeBrace || code === closeBracket) {
      levels.pop();
      expectKey = false;
    } else if (code === 0x2c && level !== undefined) {
      level.index++;
      expectKey = level.seen !== undefined;
    }
  }
  return [...new Set(found)];
}

function pathOf({ seen, path, key, index }: Level): string {
  if (seen === undefined) return `${path}[${index}]`;
  return path === '' ? key : `${path}.${key}`;
}

function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end;
}

function isEscaped(text: string, at: number): boolean {
  let slashes = 0;
  while (text.charCodeAt(at - 1 - slashes) === backslash) slashes++;
  return slashes % 2 === 1;
}
