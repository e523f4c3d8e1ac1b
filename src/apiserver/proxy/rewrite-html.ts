// A tokenizer and a state machine, hence longer than most files.
import { Transform } from 'node:stream';
import { type LinkRewriting, rewriteUrl } from './rewrite-url.ts';

/** Which attributes of which elements are links. Source: k8s.io/apimachinery `pkg/util/proxy/transport.go`. */
const linkAttributes: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    a: ['href'],
    applet: ['codebase'],
    area: ['href'],
    audio: ['src'],
    base: ['href'],
    blockquote: ['cite'],
    body: ['background'],
    button: ['formaction'],
    command: ['icon'],
    del: ['cite'],
    embed: ['src'],
    form: ['action'],
    frame: ['longdesc', 'src'],
    head: ['profile'],
    html: ['manifest'],
    iframe: ['longdesc', 'src'],
    img: ['longdesc', 'src', 'usemap'],
    input: ['src', 'usemap', 'formaction'],
    ins: ['cite'],
    link: ['href'],
    object: ['classid', 'codebase', 'data', 'usemap'],
    q: ['cite'],
    script: ['src'],
    source: ['src'],
    video: ['poster', 'src'],
  }),
);
/** Elements whose content is text up to their end tag. */
const rawElements: ReadonlySet<string> = new Set([
  'iframe',
  'noembed',
  'noframes',
  'plaintext',
  'script',
  'style',
  'textarea',
  'title',
  'xmp',
]);
/** A longer tag passes as it is: what waits for its end is bounded. */
const maxTagChars = 16 * 1024;

type State =
  | { readonly in: 'text' }
  | { readonly in: 'comment' }
  /** A doctype, a processing instruction, or an end tag without a name. */
  | { readonly in: 'declaration' }
  | { readonly in: 'raw'; readonly element: string };

/**
 * Rewrites the links of an HTML page as it flows by, touching nothing but attribute values. Bytes are looked at one by one,
 * which suits every encoding that contains ASCII; pages in others pass unchanged.
 */
export function createHtmlRewriter(rewriting: LinkRewriting): Transform {
  let rest = '';
  let state: State = { in: 'text' };

  const rewrite = (input: string, last: boolean): string => {
    let out = '';
    let at = 0;
    const waitFrom = (position: number) => {
      rest = input.slice(position);
    };
    rest = '';
    while (at < input.length) {
      const step = next(input, at, state, rewriting);
      out += step.out;
      if (step.waiting && !last && input.length - step.at <= maxTagChars) {
        waitFrom(step.at);
        return out;
      }
      if (step.waiting) {
        out += input.slice(step.at, step.at + 1);
        at = step.at + 1;
        continue;
      }
      at = step.at;
      state = step.state;
    }
    return out;
  };

  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      done(null, Buffer.from(rewrite(rest + chunk.toString('latin1'), false), 'latin1'));
    },
    flush(done) {
      done(null, Buffer.from(rewrite(rest, true), 'latin1'));
    },
  });
}

interface Step {
  /** What may be sent on. */
  readonly out: string;
  /** Where to go on. */
  readonly at: number;
  readonly state: State;
  /** Whether what begins at `at` has to be seen further before it can be judged. */
  readonly waiting: boolean;
}

function next(input: string, at: number, state: State, rewriting: LinkRewriting): Step {
  switch (state.in) {
    case 'comment':
      return until(input, at, '-->', state);
    case 'declaration':
      return until(input, at, '>', state);
    case 'raw':
      return rawText(input, at, state.element);
    case 'text':
      return text(input, at, rewriting);
  }
}

/** Passes everything through `end`; what could be the beginning of `end` waits. */
function until(input: string, at: number, end: string, state: State): Step {
  const found = input.indexOf(end, at);
  if (found >= 0) {
    const stop = found + end.length;
    return { out: input.slice(at, stop), at: stop, state: { in: 'text' }, waiting: false };
  }
  const safe = Math.max(at, input.length - end.length + 1);
  return { out: input.slice(at, safe), at: safe, state, waiting: safe < input.length };
}

function rawText(input: string, at: number, element: string): Step {
  const state: State = { in: 'raw', element };
  const end = new RegExp(`</${element}(?=[\\s/>])`, 'gi');
  end.lastIndex = at;
  const found = end.exec(input);
  if (found) return { out: input.slice(at, found.index), at: found.index, state: { in: 'text' }, waiting: false };
  const tail = input.lastIndexOf('<');
  const possible = tail >= at && input.length - tail <= element.length + 2;
  const safe = possible ? tail : input.length;
  return { out: input.slice(at, safe), at: safe, state, waiting: possible };
}

function text(input: string, at: number, rewriting: LinkRewriting): Step {
  const state: State = { in: 'text' };
  const open = input.indexOf('<', at);
  if (open < 0) return { out: input.slice(at), at: input.length, state, waiting: false };
  const before = input.slice(at, open);
  const wait = { out: before, at: open, state, waiting: true };
  if (input.startsWith('<!--', open)) {
    return { out: `${before}<!--`, at: open + 4, state: { in: 'comment' }, waiting: false };
  }
  const ahead = input.slice(open, open + 4);
  if (ahead === '<' || '<!--'.startsWith(ahead) || ahead === '</') return wait;
  const mark = ahead[1] ?? '';
  if (mark === '!' || mark === '?' || (mark === '/' && !/[a-z]/i.test(ahead[2] ?? ''))) {
    return { out: `${before}${ahead.slice(0, 2)}`, at: open + 2, state: { in: 'declaration' }, waiting: false };
  }
  if (mark !== '/' && !/[a-z]/i.test(mark)) return { out: `${before}<`, at: open + 1, state, waiting: false };
  const tag = scanTag(input, open);
  if (!tag) return wait;
  const written = mark === '/' ? input.slice(open, tag.end) : rewriteTag(input, open, tag, rewriting);
  const raw = mark !== '/' && rawElements.has(tag.name);
  return { out: before + written, at: tag.end, state: raw ? { in: 'raw', element: tag.name } : state, waiting: false };
}

interface Tag {
  readonly name: string;
  readonly attributes: readonly { readonly name: string; readonly from: number; readonly to: number }[];
  /** Behind the `>`. */
  readonly end: number;
}

/** Reads the tag that begins at `open`; `undefined` where its end is not in sight. */
function scanTag(input: string, open: number): Tag | undefined {
  const attributes: { name: string; from: number; to: number }[] = [];
  const start = input[open + 1] === '/' ? open + 2 : open + 1;
  let at = skip(input, start, /[^\s/>]*/y);
  const name = input.slice(start, at).toLowerCase();
  for (;;) {
    at = skip(input, at, /[\s/]*/y);
    if (at >= input.length) return undefined;
    if (input[at] === '>') return { name, attributes, end: at + 1 };
    const nameFrom = at;
    at = skip(input, at + 1, /[^\s/>=]*/y); // a name may begin with `=`
    const attribute = input.slice(nameFrom, at).toLowerCase();
    const equals = skip(input, at, /\s*/y);
    if (input[equals] !== '=') continue;
    at = skip(input, equals + 1, /\s*/y);
    const quote = input[at];
    if (quote === '"' || quote === "'") {
      const close = input.indexOf(quote, at + 1);
      if (close < 0) return undefined;
      attributes.push({ name: attribute, from: at + 1, to: close });
      at = close + 1;
    } else {
      const from = at;
      at = skip(input, at, /[^\s>]*/y);
      attributes.push({ name: attribute, from, to: at });
    }
  }
}

function skip(input: string, at: number, pattern: RegExp): number {
  pattern.lastIndex = at;
  pattern.test(input); // all patterns match the empty string
  return pattern.lastIndex;
}

function rewriteTag(input: string, open: number, { name, attributes, end }: Tag, rewriting: LinkRewriting): string {
  const links = linkAttributes.get(name);
  if (!links) return input.slice(open, end);
  let out = '';
  let copied = open;
  for (const { name: attribute, from, to } of attributes) {
    if (!links.includes(attribute)) continue;
    out += input.slice(copied, from) + rewriteUrl(input.slice(from, to), rewriting);
    copied = to;
  }
  return out + input.slice(copied, end);
}
