import { dump, load, loadAll } from 'js-yaml';

/**
 * One YAML or JSON document as plain data; of an empty text, `undefined`. A key that occurs again is an error, or with `lastKeyWins` replaces the earlier one.
 * @throws an error with line and column where it cannot be read
 */
export function parseYaml(text: string, { lastKeyWins = false }: { lastKeyWins?: boolean } = {}): unknown {
  return text.trim() === '' ? undefined : load(text, { json: lastKeyWins });
}

/** All documents of a stream, empty ones left out. */
export function parseYamlDocuments(text: string): unknown[] {
  return loadAll(text).filter((document: unknown) => document !== null && document !== undefined);
}

/** Block style, no anchors, keys in the object's own order. */
export function formatYaml(value: unknown): string {
  return dump(value, { noRefs: true, lineWidth: -1 });
}
