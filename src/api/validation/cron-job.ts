import { type FieldError, invalid, notSupported, required } from '../field-error.ts';
import type { CronJob, CronJobSpec } from '../kubernetes/batch-v1.ts';
import { cronScheduleError, isTimeZone } from './cron-schedule.ts';
import { validateJobSpec } from './job.ts';
import { validateNonNegative } from './numbers.ts';
import { oneOf } from './pod/containers.ts';

/** Names of its Jobs are eleven characters longer. */
const maxNameLength = 52;
const emptySpec: CronJobSpec = { schedule: '', jobTemplate: {} };

export function validateCronJob({ metadata = {}, spec = emptySpec }: Readonly<CronJob>): FieldError[] {
  const { name = '' } = metadata;
  const errors = validateSpec(spec, undefined);
  if (name.length > maxNameLength) {
    errors.push(invalid('metadata.name', name, `must be no more than ${maxNameLength} characters`));
  }
  return errors;
}

export function validateCronJobUpdate({ spec = emptySpec }: Readonly<CronJob>, old: Readonly<CronJob>): FieldError[] {
  return validateSpec(spec, old.spec);
}

function validateSpec(spec: Readonly<CronJobSpec>, old: Readonly<CronJobSpec> | undefined): FieldError[] {
  const { schedule = '', timeZone, concurrencyPolicy = '', jobTemplate } = spec;
  const errors = schedule === '' ? [required('spec.schedule')] : validateSchedule(schedule, timeZone, old);
  errors.push(...validateNonNegative(spec.startingDeadlineSeconds, 'spec.startingDeadlineSeconds'));
  if (timeZone !== undefined && timeZone !== old?.timeZone) errors.push(...validateTimeZone(timeZone));
  errors.push(...oneOf(concurrencyPolicy, 'spec.concurrencyPolicy', ['Allow', 'Forbid', 'Replace']));
  const template = jobTemplate?.spec;
  const path = 'spec.jobTemplate.spec';
  errors.push(...validateJobSpec(template ?? { template: {} }, path));
  if (template?.selector)
    errors.push(invalid(`${path}.selector`, template.selector, '`selector` will be auto-generated'));
  if (template?.manualSelector) errors.push(notSupported(`${path}.manualSelector`, true, ['nil', 'false']));
  errors.push(...validateNonNegative(spec.successfulJobsHistoryLimit, 'spec.successfulJobsHistoryLimit'));
  errors.push(...validateNonNegative(spec.failedJobsHistoryLimit, 'spec.failedJobsHistoryLimit'));
  return errors;
}

function validateSchedule(
  schedule: string,
  timeZone: string | undefined,
  old: Readonly<CronJobSpec> | undefined,
): FieldError[] {
  const path = 'spec.schedule';
  const error = cronScheduleError(schedule);
  const errors = error === undefined ? [] : [invalid(path, schedule, error)];
  if (!schedule.includes('TZ')) return errors;
  const had = old?.schedule.includes('TZ') ?? false;
  if (had && timeZone !== undefined) {
    errors.push(invalid(path, schedule, 'cannot use both timeZone field and TZ or CRON_TZ in schedule'));
  } else if (!had) {
    errors.push(invalid(path, schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'));
  }
  return errors;
}

function validateTimeZone(timeZone: string): FieldError[] {
  const path = 'spec.timeZone';
  if (timeZone === '') return [invalid(path, timeZone, 'timeZone must be nil or non-empty string')];
  if (timeZone.toLowerCase() === 'local') {
    const detail = 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones';
    return [invalid(path, timeZone, detail)];
  }
  return isTimeZone(timeZone) ? [] : [invalid(path, timeZone, `unknown time zone ${timeZone}`)];
}
