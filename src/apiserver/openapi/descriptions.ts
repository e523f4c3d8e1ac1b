import { readFileSync } from 'node:fs';

/** Texts of `kubectl explain`: for each model its own description and those of its fields. */
export type Descriptions = Readonly<
  Record<string, readonly [model: string, fields: Readonly<Record<string, string>>] | undefined>
>;

/** Beside the bundle when packed, under `generated/` in the tree. */
const places = ['./descriptions.json', '../../../generated/descriptions.json'];

/**
 * Reads the generated descriptions. They are large and rarely asked for, so nobody keeps them: a document is built and they are dropped.
 * Without the file (it is made at setup) documents simply have no descriptions.
 */
export function loadDescriptions(): Descriptions {
  for (const place of places) {
    try {
      // The shape is that of scripts/generate-descriptions.ts.
      return JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as Descriptions;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return {};
}
