/**
 * Writes `generated/descriptions.json`: the description of each model and field, as `kubectl explain` shows them. They are read from the
 * declarations of the development dependency `@kubernetes/client-node`. The file is not committed: setup and packing make it.
 *
 *     { "<model>": ["<description>", { "<field>": "<description>" }] }
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const root = new URL('../', import.meta.url);
const declarations = new URL('node_modules/@kubernetes/client-node/dist/gen/models/', root);
if (!existsSync(declarations)) {
  console.error('@kubernetes/client-node is not installed: `kubectl explain` will show no descriptions.');
  process.exit(0);
}

const { models } = JSON.parse(readFileSync(new URL('src/api/types.json', root), 'utf8')) as {
  models: Record<string, unknown>;
};
const descriptions: Record<string, [string, Record<string, string>]> = {};
const missing: string[] = [];
for (const model of Object.keys(models)) {
  const file = candidates(model)
    .map((name) => new URL(`${name}.d.ts`, declarations))
    .find((url) => existsSync(url));
  if (file) descriptions[model] = parse(readFileSync(file, 'utf8'));
  else missing.push(model);
}
mkdirSync(new URL('generated/', root), { recursive: true });
writeFileSync(new URL('generated/descriptions.json', root), JSON.stringify(descriptions));
if (process.argv.includes('--verbose'))
  console.error(`No description for ${missing.length} models: ${missing.join(' ')}`);

/** `io.k8s.api.core.v1.Event` may be declared as `V1Event` or, where two groups have one name, as `CoreV1Event`. */
function candidates(model: string): string[] {
  const parts = model.split('.');
  const [name = '', version = '', group = ''] = parts.reverse();
  const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);
  if (!/^v\d/.test(version)) return [name];
  return [`${capital(group)}${capital(version)}${name}`, `${capital(version)}${name}`];
}

function parse(text: string): [string, Record<string, string>] {
  const start = text.lastIndexOf('/**', text.indexOf('export declare class'));
  const fields: Record<string, string> = {};
  for (const [, comment = '', name = ''] of text.matchAll(/ {4}\/\*\*\n([\s\S]*?)\*\/\n {4}'([^']+)'\??:/g)) {
    fields[name] = clean(comment);
  }
  return [clean(text.slice(start + 3, text.indexOf('*/', start))), fields];
}

function clean(comment: string): string {
  return comment
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join('\n')
    .trim()
    .replace(/\\(['"])/g, '$1');
}
