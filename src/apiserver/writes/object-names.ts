import { randomInt } from 'node:crypto';

const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
const maxNameLength = 63;
const suffixLength = 5;

/** `generateName` cut to fit, with five random letters that spell nothing. Source: k8s.io/apiserver `pkg/storage/names`. */
export function generateName(base: string): string {
  let name = base.slice(0, maxNameLength - suffixLength);
  for (let i = 0; i < suffixLength; i++) name += alphabet[randomInt(alphabet.length)];
  return name;
}
