import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cronScheduleError } from './cron-schedule.ts';

test('schedules that are right', () => {
  for (const schedule of [
    '* * * * *',
    '*/5 0-6,12 1 JAN,feb mon-fri',
    '0 0 ? * 0',
    '5/15 * * * *',
    '@daily',
    '@every 1h30m',
    'CRON_TZ=Europe/Berlin 0 3 * * *',
  ]) {
    assert.equal(cronScheduleError(schedule), undefined, schedule);
  }
});

test('schedules that are wrong say why', () => {
  for (const [schedule, error] of [
    ['* * * *', 'expected exactly 5 fields, found 4: [* * * *]'],
    ['60 * * * *', 'end of range (60) above maximum (59): 60'],
    ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
    ['5-3 * * * *', 'beginning of range (5) beyond end of range (3): 5-3'],
    ['*/0 * * * *', 'step of range should be a positive number: */0'],
    ['1/2/3 * * * *', 'too many slashes: 1/2/3'],
    ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
    ['x * * * *', 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'],
    ['@often', 'unrecognized descriptor: @often'],
    ['TZ=Mars/Olympus * * * * *', 'provided bad location Mars/Olympus: unknown time zone Mars/Olympus'],
  ] as const) {
    assert.equal(cronScheduleError(schedule), error);
  }
});
