import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { openClusterPki } from '../../pki/authority.ts';

/** What a webhook was asked: the `request` of an AdmissionReview. */
export interface AskedReview {
  readonly path: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into many kinds of objects
  readonly request: any;
}

/** A webhook on 127.0.0.1 that counts its connections. */
export interface TestWebhook extends AsyncDisposable {
  /** `https://127.0.0.1:port` */
  readonly url: string;
  readonly caBundle: string;
  readonly asked: AskedReview[];
  readonly connections: number;
}

export type Answer = Record<string, unknown> | ((response: ServerResponse, request: IncomingMessage) => void);

const authority = openClusterPki().then(({ cluster }) => cluster);

/** `answer` gives the response without its `uid`, which is set; or answers itself. */
export async function startWebhook(answer: (review: AskedReview) => Answer | Promise<Answer>): Promise<TestWebhook> {
  const { certificatePem, privateKeyPem } = await (await authority).issue({
    commonName: 'webhook',
    dnsNames: ['hook.default.svc'],
    ipAddresses: ['127.0.0.1'],
    usages: ['server'],
  });
  const asked: AskedReview[] = [];
  let connections = 0;
  const server = createServer({ cert: certificatePem, key: privateKeyPem }, (request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const review = JSON.parse(Buffer.concat(chunks).toString());
      const one = { path: request.url ?? '', request: review.request };
      asked.push(one);
      const answered = await answer(one);
      if (typeof answered === 'function') return answered(response, request);
      const { apiVersion, kind } = review;
      response.end(JSON.stringify({ apiVersion, kind, response: { uid: review.request.uid, ...answered } }));
    })();
  });
  server.on('secureConnection', () => connections++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    caBundle: Buffer.from((await authority).certificatePem).toString('base64'),
    asked,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The parts of an answer that change the object. */
export function jsonPatch(operations: readonly object[]): Record<string, unknown> {
  const patch = Buffer.from(JSON.stringify(operations)).toString('base64');
  return { allowed: true, patchType: 'JSONPatch', patch };
}
