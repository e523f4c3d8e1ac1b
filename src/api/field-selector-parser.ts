import { badRequest } from './errors.ts';

export interface FieldTerm {
  readonly field: string;
  readonly equal: boolean;
  readonly value: string;
}

/**
 * Reads `a=b,c!=d`; `\,`, `\=` and `\\` stand for the characters themselves.
 * Source: `k8s.io/apimachinery/pkg/fields/selector.go`.
 * @throws {ApiError} BadRequest
 */
export function parseFieldSelector(text: string): FieldTerm[] {
  return splitTerms(text)
    .filter((term) => term !== '')
    .map((term) => parseTerm(term, text));
}

function parseTerm(term: string, whole: string): FieldTerm {
  for (let at = 0; at < term.length; at++) {
    if (term[at] === '\\') {
      at++;
      continue;
    }
    for (const operator of ['!=', '==', '=']) {
      if (!term.startsWith(operator, at)) continue;
      const value = unescapeValue(term.slice(at + operator.length));
      return { field: term.slice(0, at), equal: operator !== '!=', value };
    }
  }
  throw badRequest(`invalid selector: '${whole}'; can't understand '${term}'`);
}

function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === ',') {
      terms.push(text.slice(start, at));
      start = at + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

function unescapeValue(value: string): string {
  if (/(?<!\\)(?:\\\\)*[,=]/.test(value)) throw badRequest(`invalid field selector: unescaped character in '${value}'`);
  if (/(?:^|[^\\])(?:\\\\)*\\(?![\\,=])/.test(value)) {
    throw badRequest(`invalid field selector: invalid escape sequence in value: ${value}`);
  }
  return value.replaceAll(/\\([\\,=])/g, '$1');
}
