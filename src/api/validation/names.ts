/**
 * What is wrong with a text as a name of some kind, in upstream's words; empty when nothing is.
 * Source: `k8s.io/apimachinery/pkg/util/validation/validation.go`.
 */
export type NameCheck = (text: string) => string[];

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomain = `${label}(\\.${label})*`;
const label1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';
const configKey = '[-._a-zA-Z0-9]+';
const headerName = '[-A-Za-z0-9]+';

const labelErrors = pattern({
  expression: label,
  maxLength: 63,
  rule: "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  examples: ['my-name', '123-abc'],
});

export const dns1123SubdomainErrors: NameCheck = pattern({
  expression: subdomain,
  maxLength: 253,
  rule: "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  examples: ['example.com'],
});

export const dns1035LabelErrors: NameCheck = pattern({
  expression: label1035,
  maxLength: 63,
  rule: "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  examples: ['my-name', 'abc-123'],
});

export const dns1123LabelErrors: NameCheck = (text) => {
  const short = text.length <= 253 && dns1123SubdomainErrors(text).length === 0;
  const rule = text.includes('.') && short ? 'must not contain dots' : undefined;
  return labelErrors(text).map((error) => (error.startsWith('a lowercase') ? (rule ?? error) : error));
};

export const httpHeaderNameErrors: NameCheck = pattern({
  expression: headerName,
  rule: "a valid HTTP header must consist of alphanumeric characters or '-'",
  examples: ['X-Header-Name'],
});

/** Keys of ConfigMaps and Secrets. */
export const configKeyErrors: NameCheck = (text) => [
  ...pattern({
    expression: configKey,
    maxLength: 253,
    rule: "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    examples: ['key.name', 'KEY_NAME', 'key-name'],
  })(text),
  ...dotErrors(text),
];

/** Names of environment variables: any printable ASCII but `=`. */
export const envNameErrors: NameCheck = (text) => {
  if (text === '') return ['environment variable name must be non-empty'];
  if (/^[\x20-\x3c\x3e-\x7e]+$/.test(text)) return [];
  return ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
};

/** Anything that can be one segment of a URL's path. */
export const pathSegmentErrors: NameCheck = (text) => {
  if (text === '.' || text === '..') return [`may not be '${text}'`];
  return ['/', '%'].filter((sign) => text.includes(sign)).map((sign) => `may not contain '${sign}'`);
};

/** Names of ports of containers, which services refer to. */
export const portNameErrors: NameCheck = (text) => {
  const errors: string[] = [];
  if (text.length > 15) errors.push('must be no more than 15 characters');
  if (!/^[-a-z0-9]+$/.test(text)) errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(text)) errors.push('must contain at least one letter (a-z)');
  if (text.includes('--')) errors.push('must not contain consecutive hyphens');
  if (text.startsWith('-') || text.endsWith('-')) errors.push('must not begin or end with a hyphen');
  return errors;
};

export function portNumberErrors(port: number): string[] {
  return port >= 1 && port <= 65_535 ? [] : ['must be between 1 and 65535, inclusive'];
}

interface Pattern {
  readonly expression: string;
  readonly maxLength?: number;
  readonly rule: string;
  readonly examples: readonly string[];
}

function pattern({ expression, maxLength = Number.POSITIVE_INFINITY, rule, examples }: Pattern): NameCheck {
  const whole = new RegExp(`^${expression}$`);
  const given = examples.map((example) => `'${example}', `).join(' or ');
  const message = `${rule} (e.g. ${given}regex used for validation is '${expression}')`;
  return (text) => {
    const errors: string[] = [];
    if (Buffer.byteLength(text) > maxLength) errors.push(`must be no more than ${maxLength} characters`);
    // A text beyond every bound is not worth matching.
    if (text.length > 4096 || !whole.test(text)) errors.push(message);
    return errors;
  };
}

function dotErrors(text: string): string[] {
  if (text === '.') return ["must not be '.'"];
  if (text === '..') return ["must not be '..'"];
  return text.startsWith('..') ? ["must not start with '..'"] : [];
}
