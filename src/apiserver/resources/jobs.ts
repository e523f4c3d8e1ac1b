import type { CronJob, Job, JobSpec } from '../../api/kubernetes/batch-v1.ts';
import { validateCronJob, validateCronJobUpdate } from '../../api/validation/cron-job.ts';
import { validateJob, validateJobUpdate } from '../../api/validation/job.ts';
import { podSpecWarnings } from '../../api/validation/pod/warnings.ts';
import { typedStrategy } from './typed-strategy.ts';

const uidLabels = ['controller-uid', 'batch.kubernetes.io/controller-uid'];
const nameLabels = ['job-name', 'batch.kubernetes.io/job-name'];
/** Specs that got their labels here: a create that is repeated under another generated name gets the new one. */
const labelled = new WeakSet<JobSpec>();

export const jobStrategy = typedStrategy<Job>({
  prepareForCreate({ metadata = {}, spec }) {
    if (!spec || spec.manualSelector === true) return;
    const { name = '', uid = '' } = metadata;
    const again = labelled.has(spec);
    spec.template ??= {};
    spec.template.metadata ??= {};
    const labels = { ...spec.template.metadata.labels };
    // What a client has set is judged by validation.
    for (const label of uidLabels) if (again || labels[label] === undefined) labels[label] = uid;
    for (const label of nameLabels) if (again || labels[label] === undefined) labels[label] = name;
    spec.template.metadata.labels = labels;
    spec.selector ??= {};
    spec.selector.matchLabels = { 'batch.kubernetes.io/controller-uid': uid, ...spec.selector.matchLabels };
    labelled.add(spec);
  },
  validate: validateJob,
  validateUpdate: (job, old, { subresource }) => (subresource === 'status' ? [] : validateJobUpdate(job, old)),
  warnings: ({ spec }, _old, { subresource }) =>
    subresource === '' ? podSpecWarnings(spec?.template.spec, 'spec.template.') : [],
});

export const cronJobStrategy = typedStrategy<CronJob>({
  validate: validateCronJob,
  validateUpdate: (job, old, { subresource }) => (subresource === 'status' ? [] : validateCronJobUpdate(job, old)),
  warnings: ({ spec }, _old, { subresource }) =>
    subresource === '' ? podSpecWarnings(spec?.jobTemplate.spec?.template.spec, 'spec.jobTemplate.spec.template.') : [],
});
