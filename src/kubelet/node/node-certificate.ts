import { rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiClient } from '../../client/client.ts';
import type { ClientCertificate } from '../../client/client-config.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { parseCertificate, rotationDeadlineMs } from '../../pki/certificate.ts';
import { createCertificateRequest } from '../../pki/certificate-request.ts';
import { readPrivateFile, writePrivateFile } from '../../pki/private-file.ts';
import { requestCertificate } from './request-certificate.ts';

export interface NodeCertificateOptions {
  readonly nodeName: string;
  readonly purpose: 'client' | 'server';
  /** The node's `pki` directory. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
}

const firstRetryMs = 2_000;
const maxRetryMs = 32_000;
/** Between two certificates that are due at once. */
const minIntervalMs = 60_000;
const timerMaxMs = 0x7fff_ffff;

/**
 * One of the node's two certificates: its file, its request and its renewal while the node runs. Each has a new key.
 *
 *     <pki>/kubelet-client-2026-01-02-03-04-05.pem     certificate and key, 0600
 *     <pki>/kubelet-client-current.pem                 a link to the newest
 */
export class NodeCertificate {
  readonly #options: NodeCertificateOptions;
  #current: ClientCertificate | undefined;

  constructor(options: NodeCertificateOptions) {
    this.#options = options;
  }

  /** The newest certificate, expired or not. */
  get current(): ClientCertificate | undefined {
    return this.#current;
  }

  /** Whether there is one that is valid now. */
  get valid(): boolean {
    return (
      this.#current !== undefined && parseCertificate(this.#current.certificate).notAfterMs > this.#options.clock.now()
    );
  }

  async load(): Promise<void> {
    const pem = await readPrivateFile(this.#path('current.pem'));
    if (pem !== undefined) this.#current = splitPem(pem);
  }

  /**
   * Requests a certificate. With `resume` under a stable name and with a key that is kept until it is issued, so that a join that
   * broke off goes on where it was.
   */
  async request(client: ApiClient, { resume, signal }: { resume: boolean; signal: AbortSignal }): Promise<void> {
    const { nodeName, purpose } = this.#options;
    const commonName = `system:node:${nodeName}`;
    const pendingKey = this.#path('pending.key');
    const kept = resume ? await readPrivateFile(pendingKey) : undefined;
    const { requestPem, privateKeyPem } = await createCertificateRequest({
      commonName,
      organizations: ['system:nodes'],
      ...(purpose === 'server' && { dnsNames: [nodeName] }),
      ...(kept !== undefined && { privateKeyPem: kept }),
    });
    if (resume && kept === undefined) await writePrivateFile(pendingKey, privateKeyPem);
    const certificate = await requestCertificate(client, {
      signerName:
        purpose === 'server' ? 'kubernetes.io/kubelet-serving' : 'kubernetes.io/kube-apiserver-client-kubelet',
      usages: ['digital signature', purpose === 'server' ? 'server auth' : 'client auth'],
      requestPem,
      ...(resume && { stableFor: { privateKeyPem, commonName } }),
      signal,
    });
    await this.#store({ certificate, key: privateKeyPem });
    await rm(pendingKey, { force: true });
  }

  /** Keeps it valid until `signal` aborts: asks when there is none, and again at 70 to 90 % of each lifetime. */
  async keep(client: ApiClient, { signal, changed }: { signal: AbortSignal; changed: () => void }): Promise<void> {
    const { clock, log, purpose } = this.#options;
    for (let retryMs = firstRetryMs; ; ) {
      try {
        await this.#waitForDeadline(signal);
        await this.request(client, { resume: false, signal });
        log.info('Certificate issued', { purpose });
        changed();
        retryMs = firstRetryMs;
        // Where this clock is ahead of the signer's, the next one is due at once, and so would all others be.
        if (this.#deadlineMs() <= clock.now()) await clock.delay(minIntervalMs, { signal });
      } catch (error) {
        if (signal.aborted) return;
        log.warn('Cannot get a certificate', { purpose, error });
        await clock.delay(retryMs, { signal });
        retryMs = Math.min(maxRetryMs, retryMs * 2);
      }
    }
  }

  /** At once where there is none. */
  #deadlineMs(): number {
    return this.#current ? rotationDeadlineMs(parseCertificate(this.#current.certificate)) : 0;
  }

  async #waitForDeadline(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const deadlineMs = this.#deadlineMs();
    for (let left = deadlineMs - clock.now(); left > 0; left = deadlineMs - clock.now()) {
      await clock.delay(Math.min(left, timerMaxMs), { signal });
    }
  }

  async #store(pair: ClientCertificate): Promise<void> {
    const stamp = new Date(this.#options.clock.now()).toISOString().slice(0, 19).replace(/[T:]/g, '-');
    const file = this.#path(`${stamp}.pem`);
    await writePrivateFile(file, `${pair.certificate.trimEnd()}\n${pair.key}`);
    const link = this.#path('current.pem');
    await rm(`${link}.new`, { force: true });
    await symlink(file.slice(this.#options.directory.length + 1), `${link}.new`);
    await rename(`${link}.new`, link);
    this.#current = pair;
  }

  #path(rest: string): string {
    return join(this.#options.directory, `kubelet-${this.#options.purpose}-${rest}`);
  }
}

function splitPem(pem: string): ClientCertificate {
  const blocks = pem.match(/-----BEGIN ([A-Z ]+)-----[\s\S]+?-----END \1-----\n?/g) ?? [];
  return {
    certificate: blocks.filter((block) => block.includes('BEGIN CERTIFICATE')).join(''),
    key: blocks.filter((block) => block.includes('PRIVATE KEY')).join(''),
  };
}
