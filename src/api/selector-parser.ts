import { badRequest } from './errors.ts';
import type { Requirement } from './selectors.ts';

/**
 * Reads the text form of a label selector. The grammar, with its tolerance for white space and empty values, and the error texts are those of
 * `k8s.io/apimachinery/pkg/labels/selector.go`.
 * @throws {ApiError} BadRequest
 */
export function parseRequirements(text: string): Requirement[] {
  const tokens = tokenize(text);
  let at = 0;
  const peek = (): Token => tokens[at] ?? end;
  const next = (): Token => tokens[at++] ?? end;
  const requirements: Requirement[] = [];

  for (;;) {
    if (peek().kind === 'end') break;
    requirements.push(requirement());
    const separator = next();
    if (separator.kind === 'end') break;
    if (separator.text !== ',') fail(separator, "',' or 'end of string'");
    const after = peek();
    if (after.kind !== 'word' && after.text !== '!')
      fail(after, "identifier after ','", 'unable to parse requirement: ');
  }
  return requirements;

  function requirement(): Requirement {
    const absent = peek().text === '!' && peek().kind === 'symbol';
    if (absent) next();
    const keyToken = next();
    if (keyToken.kind !== 'word') fail(keyToken, 'identifier', 'unable to parse requirement: ');
    const key = keyToken.text;
    if (absent) return { key, operator: 'absent', values: [] };
    const operator = peek();
    if (operator.kind === 'end' || operator.text === ',') return { key, operator: 'exists', values: [] };
    next();
    switch (operator.text) {
      case '=':
      case '==':
        return { key, operator: 'in', values: [exactValue()] };
      case '!=':
        return { key, operator: 'notin', values: [exactValue()] };
      case '>':
        return { key, operator: 'gt', values: [exactValue()] };
      case '<':
        return { key, operator: 'lt', values: [exactValue()] };
      case 'in':
        return { key, operator: 'in', values: listOfValues() };
      case 'notin':
        return { key, operator: 'notin', values: listOfValues() };
      default:
        return fail(operator, 'in, notin, =, ==, !=, gt, lt', 'unable to parse requirement: ');
    }
  }

  function exactValue(): string {
    const token = peek();
    if (token.kind === 'end' || token.text === ',') return '';
    next();
    if (token.kind !== 'word') fail(token, 'identifier', 'unable to parse requirement: ');
    return token.text;
  }

  function listOfValues(): string[] {
    const open = next();
    if (open.text !== '(') fail(open, "'('", 'unable to parse requirement: ');
    const values = new Set<string>();
    for (;;) {
      const token = next();
      if (token.kind === 'word') {
        values.add(token.text);
        const after = next();
        if (after.text === ')') return [...values];
        if (after.text !== ',') fail(after, "',' or ')'", 'unable to parse requirement: ');
        if (peek().text === ')') values.add('');
      } else if (token.text === ',') values.add('');
      else if (token.text === ')') {
        if (values.size === 0) values.add('');
        return [...values];
      } else fail(token, "',', ')' or identifier", 'unable to parse requirement: ');
    }
  }
}

interface Token {
  readonly kind: 'word' | 'symbol' | 'end';
  readonly text: string;
}

const end: Token = { kind: 'end', text: '' };
const tokenPattern = /\s*(?:(==|!=|[=!,()<>])|([^=!,()<>\s]+))/y;

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const trimmed = text.trimEnd();
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < trimmed.length) {
    const match = tokenPattern.exec(trimmed);
    if (match === null) break;
    const [, symbol, word] = match;
    tokens.push(symbol === undefined ? { kind: 'word', text: word ?? '' } : { kind: 'symbol', text: symbol });
  }
  return tokens;
}

function fail(token: Token, expected: string, prefix = 'unable to parse requirement: '): never {
  throw badRequest(`${prefix}found '${token.text}', expected: ${expected}`);
}
