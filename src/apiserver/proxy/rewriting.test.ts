import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { createHtmlRewriter } from './rewrite-html.ts';
import { rewriteLocation, rewriteUrl } from './rewrite-url.ts';

const rewriting = { prefix: '/p/proxy', backendHost: '10.244.1.5:8080', clientHost: 'api.example:6443' };

test('absolute paths lead through the proxy; everything else stays', () => {
  const cases: [link: string, rewritten: string][] = [
    ['/', '/p/proxy/'],
    ['/a/b/?x=/y#z', '/p/proxy/a/b/?x=/y#z'],
    ['/p/proxy/a', '/p/proxy/a'],
    ['/p/proxyother', '/p/proxy/p/proxyother'],
    ['a/b', 'a/b'],
    ['', ''],
    ['#top', '#top'],
    ['?x=1', '?x=1'],
    ['mailto:a@example.org', 'mailto:a@example.org'],
    ['javascript:/alert/', 'javascript:/alert/'],
    ['http://10.244.1.5:8080/a', '/p/proxy/a'],
    ['//10.244.1.5:8080/a', '/p/proxy/a'],
    ['http://10.244.1.5:8080', 'http://10.244.1.5:8080'],
    ['https://API.example:6443/a', 'https://API.example:6443/p/proxy/a'],
    ['https://api.example:6443/p/proxy/a', 'https://api.example:6443/p/proxy/a'],
    ['http://elsewhere.example/a', 'http://elsewhere.example/a'],
    ['http://10.244.1.5:8080@elsewhere.example/a', 'http://10.244.1.5:8080@elsewhere.example/a'],
    ['//elsewhere.example/a', '//elsewhere.example/a'],
  ];
  for (const [link, rewritten] of cases) assert.equal(rewriteUrl(link, rewriting), rewritten, link);
});

test('a Location that is no URL is an error', () => {
  assert.equal(rewriteLocation('/a%20b', rewriting), '/p/proxy/a%20b');
  for (const bad of ['/a b', '/a\tb', '/a%zz', '/a%2']) {
    assert.throws(() => rewriteLocation(bad, rewriting), { reason: 'InternalError' });
  }
});

const pages: [page: string, rewritten: string][] = [
  ['<a href="/x">', '<a href="/p/proxy/x">'],
  ["<A HREF='/x'>", "<A HREF='/p/proxy/x'>"],
  ['<a href=/x>', '<a href=/p/proxy/x>'],
  ['<a\n  class="c"\thref = "/x" id=i/>', '<a\n  class="c"\thref = "/p/proxy/x" id=i/>'],
  ['<a href="x">', '<a href="x">'],
  ['<a title="/x" href="/y" data-href="/z">', '<a title="/x" href="/p/proxy/y" data-href="/z">'],
  ['<a title="a > b" href="/x">t</a>', '<a title="a > b" href="/p/proxy/x">t</a>'],
  [
    '<img src="/i.png" longdesc="/l" usemap="/m" srcset="/s">',
    '<img src="/p/proxy/i.png" longdesc="/p/proxy/l" usemap="/p/proxy/m" srcset="/s">',
  ],
  [
    '<form action="/f"><button formaction="/b"><input src="/s">',
    '<form action="/p/proxy/f"><button formaction="/p/proxy/b"><input src="/p/proxy/s">',
  ],
  [
    '<link rel=stylesheet href="/c.css"><base href="/">',
    '<link rel=stylesheet href="/p/proxy/c.css"><base href="/p/proxy/">',
  ],
  [
    '<script src="/s.js">if (a<b) "<a href=\\"/x\\">"</script><a href="/y">',
    '<script src="/p/proxy/s.js">if (a<b) "<a href=\\"/x\\">"</script><a href="/p/proxy/y">',
  ],
  ['<style>a > b { background: url(/x) }</style>', '<style>a > b { background: url(/x) }</style>'],
  ['<title><a href="/x"></title><a href="/y">', '<title><a href="/x"></title><a href="/p/proxy/y">'],
  ['<!-- <a href="/x"> --><a href="/y">', '<!-- <a href="/x"> --><a href="/p/proxy/y">'],
  ['<!doctype html><a href="/y">', '<!doctype html><a href="/p/proxy/y">'],
  ['<?pi <a href="/x">', '<?pi <a href="/x">'],
  ['1 < 2 <3 <> </ a> <a href="/y">', '1 < 2 <3 <> </ a> <a href="/p/proxy/y">'],
  ['</a href="/x"><a href="/y">', '</a href="/x"><a href="/p/proxy/y">'],
  ['<div href="/x">', '<div href="/x">'],
  ['<a href="/é">', '<a href="/p/proxy/é">'],
  ['<a href="/x', '<a href="/x'],
  ['<a href="/x"><', '<a href="/p/proxy/x"><'],
  ['<a =x href="/y">', '<a =x href="/p/proxy/y">'],
  ['', ''],
];

test('links in a page lead through the proxy, however the page is cut into pieces', async () => {
  for (const [page, rewritten] of pages) {
    const bytes = Buffer.from(page);
    const cuts = [[bytes], Array.from(bytes, (_, index) => bytes.subarray(index, index + 1))];
    for (const pieces of cuts) {
      const out = await buffer(Readable.from(pieces).pipe(createHtmlRewriter(rewriting)));
      assert.equal(out.toString(), rewritten, page);
    }
  }
});

test('a tag that never ends is passed on without being gathered up', async () => {
  const rewriter = createHtmlRewriter(rewriting);
  let received = 0;
  rewriter.on('data', (chunk: Buffer) => {
    received += chunk.length;
  });
  const huge = `<a href="/${'x'.repeat(100_000)}`;
  rewriter.write(huge);
  await new Promise((resolve) => rewriter.end(resolve));
  assert.equal(received, huge.length);
});
