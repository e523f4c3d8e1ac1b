/** The worker thread that owns the database. The bundle emits this file as `sqlite-worker.mjs` beside the main file. */
import { parentPort, workerData } from 'node:worker_threads';
import { openDatabase, translateSqliteError } from './database.ts';
import { LogTable } from './log-table.ts';
import type { HistoryItem, Reply, Request, Row, WorkerOptions } from './protocol.ts';

const { path } = workerData as WorkerOptions; // given by openSqliteStore
const port = parentPort;
if (!port) throw new Error('sqlite-worker runs as a worker thread only');

let handle: (request: Request) => Reply = () => failedReply(new Error('not open'));
port.on('message', (request: Request) => {
  send(handle(request));
  if (request.kind === 'close') port.close();
});

try {
  const open = openDatabase(path);
  try {
    const log = new LogTable(open.database);
    handle = serve(log, () => open[Symbol.dispose]());
    send(log.opened);
  } catch (error) {
    open[Symbol.dispose]();
    throw error;
  }
} catch (error) {
  send(failedReply(error));
  port.close();
}

/** After the first failure nothing touches the database any more: a sync that failed cannot be repeated. */
function serve(log: LogTable, close: () => void): (request: Request) => Reply {
  let failed: Reply | undefined;
  return (request) => {
    if (request.kind === 'close') {
      try {
        close();
        return { kind: 'closed' };
      } catch (error) {
        return failedReply(error);
      }
    }
    if (failed) return failed;
    try {
      return answer(log, request);
    } catch (error) {
      failed = failedReply(error);
      return failed;
    }
  };
}

function answer(log: LogTable, request: Exclude<Request, { kind: 'close' }>): Reply {
  switch (request.kind) {
    case 'write': {
      const started = performance.now();
      const results = log.write(request.operations, new Uint8Array(request.values));
      return { kind: 'written', results, commitMs: performance.now() - started };
    }
    case 'get':
      return log.get(request.key);
    case 'range':
      return log.range(request);
    case 'history':
      return log.history(request);
    case 'compact':
      return log.compact(request.revision);
    case 'expire':
      return log.expire(request.leaseId);
  }
}

function failedReply(error: unknown): Reply {
  const { reason, message } = translateSqliteError(error, path);
  return { kind: 'failed', reason, message };
}

/** Values change hands without a copy. */
function send(reply: Reply): void {
  port?.postMessage(reply, valuesOf(reply));
}

function valuesOf(reply: Reply): ArrayBuffer[] {
  const values: ArrayBuffer[] = [];
  const add = (row: Row | null) => {
    const value = row?.[5];
    if (value && value.byteLength > 0) values.push(value.buffer as ArrayBuffer); // SQLite gives each value a buffer of its own
  };
  const addItems = (items: readonly HistoryItem[]) => {
    for (const [, row, previous] of items) {
      add(row);
      add(previous);
    }
  };
  if (reply.kind === 'written') for (const [, , previous] of reply.results) add(previous);
  if (reply.kind === 'got') add(reply.row);
  if (reply.kind === 'range') for (const row of reply.rows) add(row);
  if (reply.kind === 'history' || reply.kind === 'expired') addItems(reply.items);
  return values;
}
