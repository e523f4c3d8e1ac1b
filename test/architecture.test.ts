import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';

/** Each layer may import from the layers above it in this list, and from itself. Layers in one row never import each other. */
const layers = [
  ['lib'],
  ['api'],
  ['wire'],
  ['pki'],
  ['storage'],
  ['stream'],
  ['client'],
  ['auth'],
  ['tunnel', 'egress', 'apiserver', 'controllers', 'kubelet', 'kube-proxy', 'dns'],
  ['doctor'],
  ['cluster'],
  ['testing'],
  ['cli'],
];

/** Files outside these layers that join components: tests beside the source may use the public testing entry point. */
const isTest = (path: string) => path.endsWith('.test.ts') || path.endsWith('-suite.ts');

test('imports point to the same layer or to a lower one', () => {
  const root = join(import.meta.dirname, '..', 'src');
  const rowOf = (layer: string) => layers.findIndex((row) => row.includes(layer));
  const offences: string[] = [];
  for (const file of globSync('**/*.ts', { cwd: root }).filter((path) => !isTest(path))) {
    const layer = file.split('/')[0] ?? '';
    if (rowOf(layer) < 0) offences.push(`${file} lies in no layer`);
    const text = readFileSync(join(root, file), 'utf8');
    for (const [, target = ''] of text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
      const imported = relative(root, join(root, dirname(file), target)).split('/')[0] ?? '';
      if (imported === layer || imported === '..') continue;
      if (rowOf(imported) >= rowOf(layer)) offences.push(`${file} imports ${target}`);
    }
  }
  assert.deepEqual(offences, []);
});

test('each third-party library is imported in one file', () => {
  const root = join(import.meta.dirname, '..', 'src');
  const users = new Map<string, string[]>();
  for (const file of globSync('**/*.ts', { cwd: root }).filter((path) => !isTest(path))) {
    const text = readFileSync(join(root, file), 'utf8');
    const statements = text.matchAll(/^import (?!type )[^;]*?from '([^'.][^']*)'|import\('([^'.][^']*)'\)/gm);
    for (const [, plain, lazy] of statements) {
      const name = plain ?? lazy ?? '';
      if (name.startsWith('node:')) continue;
      users.set(name, [...new Set([...(users.get(name) ?? []), file])]);
    }
  }
  const shared = [...users].filter(([, files]) => files.length > 1);
  assert.deepEqual(shared, []);
});
