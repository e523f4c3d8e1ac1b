import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LogFields, type Logger, silentLogger } from '../../lib/log.ts';
import { forwardLog, writeForwarded } from './island-log.ts';
import type { IslandEvent } from './messages.ts';

function recorder(): { log: Logger; lines: [string, string, LogFields | undefined][] } {
  const lines: [string, string, LogFields | undefined][] = [];
  const write = (level: string) => (message: string, fields?: LogFields) => void lines.push([level, message, fields]);
  const log: Logger = {
    ...silentLogger,
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  };
  return { log, lines };
}

/** As the event comes out of the pipe. */
function through(event: IslandEvent): Extract<IslandEvent, { type: 'log' }> {
  const received = JSON.parse(JSON.stringify(event)) as IslandEvent;
  return received.type === 'log' ? received : assert.fail('only log lines');
}

test('a line keeps its level, its fields and those of its logger, and its error with causes', () => {
  const { log, lines } = recorder();
  const inside = forwardLog((event) => writeForwarded(log, through(event)), false).with({ component: 'kubelet' });
  const error = new TypeError('outer', { cause: new Error('inner') });
  inside.warn('Something', { pod: 'a', error });
  const [[level, message, { error: revived, ...fields } = {}] = assert.fail('no line')] = lines;
  assert.deepEqual([level, message, fields], ['warn', 'Something', { component: 'kubelet', pod: 'a' }]);
  assert.ok(revived instanceof Error && revived.cause instanceof Error);
  assert.deepEqual([revived.name, revived.message, revived.cause.message], ['TypeError', 'outer', 'inner']);
  assert.equal(revived.stack, error.stack);
});

test('debug lines cross only where they are wanted', () => {
  const sent: string[] = [];
  const send = (event: IslandEvent) => void sent.push(through(event).message);
  forwardLog(send, false).debug('no');
  forwardLog(send, true).with({ a: 1 }).debug('yes');
  assert.deepEqual(sent, ['yes']);
});
