import { resetStatus } from '../wire/spdy/frame.ts';
import { AsyncQueue } from './async-queue.ts';
import { type PortForwardRequest, parsePort } from './port-forward.ts';
import type { SpdyOffer } from './spdy-session.ts';
import type { SpdyStream } from './spdy-stream.ts';

interface Pair {
  readonly port: number;
  error?: SpdyStream;
  data?: SpdyStream;
  readonly deadline: NodeJS.Timeout;
}

const pairTimeoutMs = 30_000;

/**
 * Joins the streams of a port-forward session: each connection has an error stream and a data stream with one `requestid`.
 * Source: k8s.io/kubelet `pkg/cri/streaming/portforward/httpstream.go`.
 */
export class PortForwardPairs {
  /** Complete pairs, in the order they became so. */
  readonly requests = new AsyncQueue<PortForwardRequest>();
  readonly #pairs = new Map<string, Pair>();

  readonly offer = (offer: SpdyOffer): void => {
    const type = offer.headers.get('streamtype');
    const port = parsePort(offer.headers.get('port'));
    if (port === undefined || (type !== 'error' && type !== 'data')) {
      offer.refuse(resetStatus.refusedStream);
      return;
    }
    const id = offer.headers.get('requestid') ?? String(type === 'error' ? offer.streamId : offer.streamId - 2);
    const pair = this.#pairs.get(id) ?? this.#create(id, port);
    const stream = offer.accept();
    if (pair[type]) {
      stream.destroy();
      this.#drop(id, pair, `error processing stream for request ${id}: ${type} stream already assigned`);
      return;
    }
    pair[type] = stream;
    if (type === 'error') stream.resume(); // its client half carries nothing
    const { error, data } = pair;
    if (!error || !data) return;
    clearTimeout(pair.deadline);
    this.#pairs.delete(id);
    this.requests.push(asRequest(port, data, error));
  };

  /** The session is over. */
  end(): void {
    for (const { deadline } of this.#pairs.values()) clearTimeout(deadline);
    this.#pairs.clear();
    this.requests.end();
  }

  #create(id: string, port: number): Pair {
    const pair: Pair = {
      port,
      deadline: setTimeout(() => {
        this.#drop(id, pair, `error: timed out waiting for streams of request ${id}`);
      }, pairTimeoutMs).unref(),
    };
    this.#pairs.set(id, pair);
    return pair;
  }

  #drop(id: string, pair: Pair, text: string): void {
    clearTimeout(pair.deadline);
    this.#pairs.delete(id);
    pair.error?.end(text);
    pair.data?.destroy();
  }
}

function asRequest(port: number, data: SpdyStream, error: SpdyStream): PortForwardRequest {
  const endError = () => {
    if (!error.writableEnded) error.end();
  };
  // The target's last byte, then the end of the error stream: clients wait for it to know that there was no error.
  data.once('finish', endError);
  data.once('close', endError);
  return {
    port,
    stream: data,
    fail: (text) => {
      if (!error.writableEnded) error.end(text);
      data.destroy();
    },
  };
}
