import { messageOf } from '../lib/error-message.ts';
import { parseYaml } from '../lib/yaml.ts';
import { badRequest } from './errors.ts';
import { countKeys, findDuplicateKeys, measureText } from './json-duplicates.ts';

/** Nesting beyond this is refused; upstream's limit is 10,000, which no object comes near and which would cost a deep stack everywhere. */
export const maxJsonDepth = 1_000;

/** Bodies of at most this size (in nodes) may use YAML aliases as they like; above, aliases may not blow them up tenfold. */
const freeAliasNodes = 10_000;

export interface ParsedBody {
  readonly value: unknown;
  /** Paths of keys that occur twice in one object, `spec.containers[0].name`; empty unless asked for. */
  readonly duplicates: readonly string[];
}

/**
 * Parses a JSON body. On the good path this is `JSON.parse` and one hop from string to string.
 * @throws {ApiError} BadRequest
 */
export function parseJson(bytes: Uint8Array, { duplicates }: { duplicates: boolean }): ParsedBody {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${messageOf(error)}`, { cause: error });
  }
  const { keys, depth } = measureText(text);
  if (depth > maxJsonDepth) throw badRequest('json: exceeded max depth');
  if (!duplicates || keys === countKeys(value)) return { value, duplicates: [] };
  return { value, duplicates: findDuplicateKeys(text) };
}

/**
 * Parses one YAML (or JSON) document; of a key that occurs twice the last one counts. Anchors that expand to far more than was sent, or that
 * contain themselves, are refused.
 * @throws {ApiError} BadRequest
 */
export function parseYamlBody(text: string): unknown {
  let value: unknown;
  try {
    value = parseYaml(text, { lastKeyWins: true });
  } catch (error) {
    throw badRequest(`error converting YAML to JSON: yaml: ${messageOf(error)}`, { cause: error });
  }
  checkExpansion(value);
  return jsonFromYaml(value);
}

/** What is said about keys that occur twice in a YAML body: `line 3: key "a" already set in map`. Empty if there are none. */
export function findYamlDuplicates(text: string): string[] {
  try {
    parseYaml(text);
    return [];
  } catch (error) {
    // The body has been read leniently before, so this can only be a duplicate.
    return [`yaml: ${messageOf(error).split('\n')[0]}`];
  }
}

/** Aliases are shared references after parsing; walking the value as a tree must not cost more than ten times what is there. */
function checkExpansion(root: unknown): void {
  const sizes = new Map<object, number>();
  const open = new Set<object>();
  const sizeOf = (value: unknown, depth: number): number => {
    if (typeof value !== 'object' || value === null || value instanceof Date) return 1;
    const known = sizes.get(value);
    if (known !== undefined) return known;
    if (open.has(value)) throw badRequest('error converting YAML to JSON: yaml: anchor value contains itself');
    if (depth > maxJsonDepth) throw badRequest('error converting YAML to JSON: yaml: exceeded max depth');
    open.add(value);
    let size = 1;
    for (const child of Object.values(value)) size += sizeOf(child, depth + 1);
    open.delete(value);
    sizes.set(value, size);
    return size;
  };
  const expanded = sizeOf(root, 0);
  if (expanded <= freeAliasNodes) return;
  let sent = 0;
  for (const value of sizes.keys()) sent += 1 + Object.keys(value).length;
  if (expanded > sent * 10) {
    throw badRequest('error converting YAML to JSON: yaml: document contains excessive aliasing');
  }
}

/** YAML timestamps become the text they stand for, as they are in JSON; everything else is JSON already. */
function jsonFromYaml(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString().replace('.000Z', 'Z');
  if (Array.isArray(value)) return value.map(jsonFromYaml);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, jsonFromYaml(child)]));
}
