import type { Logger } from '../../lib/log.ts';
import type { Counter, Metrics } from '../../lib/metrics.ts';
import type { AuditSink } from './audit-log-file.ts';

/** Characters that may wait for a slow disk. Beyond, events are dropped and counted: requests do not wait for the log. */
const maxQueuedCharacters = 16 * 1024 * 1024;

/** Audit lines on their way to the sink, written in order and in batches. Disposal writes what is left and closes the sink. */
export class AuditQueue implements AsyncDisposable {
  readonly #sink: AuditSink;
  readonly #log: Logger;
  readonly #events: Counter;
  readonly #errors: Counter;
  #lines: string[] = [];
  #characters = 0;
  #pump: Promise<void> | undefined;
  #dropping = false;

  constructor({ sink, log, metrics }: { sink: AuditSink; log: Logger; metrics: Metrics }) {
    this.#sink = sink;
    this.#log = log;
    this.#events = metrics.counter({
      name: 'apiserver_audit_event_total',
      help: 'Counter of audit events generated and sent to the audit backend.',
    });
    this.#errors = metrics.counter({
      name: 'apiserver_audit_error_total',
      help: 'Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.',
      labels: ['plugin'],
    });
    metrics.gauge({
      name: 'fairlead_audit_queue_characters',
      help: 'Size of the audit events that wait to be written.',
      collect: (gauge) => gauge.set(this.#characters),
    });
  }

  push(line: string): void {
    this.#events.inc();
    if (this.#characters + line.length > maxQueuedCharacters) {
      this.#errors.inc({ plugin: 'log' });
      if (!this.#dropping) this.#log.error('Audit events are dropped: the log is written too slowly');
      this.#dropping = true;
      return;
    }
    this.#dropping = false;
    this.#lines.push(line);
    this.#characters += line.length;
    this.#pump ??= this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pump;
    await this.#sink[Symbol.asyncDispose]();
  }

  async #run(): Promise<void> {
    // Lets the events of one turn become one write.
    await Promise.resolve();
    while (this.#lines.length > 0) {
      const lines = this.#lines;
      this.#lines = [];
      const text = lines.join('');
      try {
        await this.#sink.write(text);
      } catch (error) {
        this.#errors.inc({ plugin: 'log' }, lines.length);
        this.#log.error('Audit events cannot be written', { events: lines.length, error });
      }
      this.#characters -= text.length;
    }
    this.#pump = undefined;
  }
}
