import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiClient } from '../client/client.ts';
import { limitRate, rateLimitOf } from './rate-limited-client.ts';

/** A client that only counts. */
function countingClient(): { client: ApiClient; calls: () => number } {
  let calls = 0;
  const request = async () => {
    calls++;
    return { status: 200, headers: {}, body: new Uint8Array() };
  };
  // Only `request` is called here.
  return { client: { request } as unknown as ApiClient, calls: () => calls };
}

test('zero stands for the defaults of Kubernetes’ clients', () => {
  assert.deepEqual(rateLimitOf({ qps: 0, burst: 0 }), { qps: 5, burst: 10 });
  assert.deepEqual(rateLimitOf({ qps: 50, burst: 100 }), { qps: 50, burst: 100 });
});

test('as many calls as the burst go at once, the next ones wait for their turn and give up when they are told to', async () => {
  const { client, calls } = countingClient();
  const limited = limitRate(client, { qps: 0.001, burst: 3 });
  const request = { method: 'GET', path: '/' };
  for (let call = 0; call < 3; call++) await limited.request(request);
  assert.equal(calls(), 3);
  const stop = new AbortController();
  const waiting = limited.request(request, { signal: stop.signal });
  stop.abort(new Error('given up'));
  await assert.rejects(waiting, { message: 'given up' });
  assert.equal(calls(), 3);
});

test('a rate below zero is no limit', async () => {
  const { client, calls } = countingClient();
  const limited = limitRate(client, { qps: -1, burst: 1 });
  for (let call = 0; call < 50; call++) await limited.request({ method: 'GET', path: '/' });
  assert.equal(calls(), 50);
});
