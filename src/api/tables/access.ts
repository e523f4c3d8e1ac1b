import { numberAt, objectAt, objectsAt, textAt } from '../json-object.ts';
import type { JsonObject } from '../object.ts';
import { humanDuration } from './duration.ts';
import {
  ageColumn,
  column,
  integerColumn,
  nameColumn,
  orNone,
  printer,
  spec,
  status,
  type TablePrinter,
  wide,
} from './printer.ts';

const bindingPrinter = printer(
  nameColumn,
  column('Role', (object) => {
    const role = objectAt(object, 'roleRef');
    return `${textAt(role, 'kind')}/${textAt(role, 'name')}`;
  }),
  ageColumn,
  wide('Users', (object) => subjects(object, 'User').join(', ')),
  wide('Groups', (object) => subjects(object, 'Group').join(', ')),
  wide('ServiceAccounts', (object) => subjects(object, 'ServiceAccount').join(', ')),
);

const webhookPrinter = printer(
  nameColumn,
  integerColumn('Webhooks', (object) => objectsAt(object, 'webhooks').length),
  ageColumn,
);

/** RBAC, certificates, admission and the API itself, by `Kind.group`. */
export const accessPrinters: Readonly<Record<string, TablePrinter>> = {
  'RoleBinding.rbac.authorization.k8s.io': bindingPrinter,
  'ClusterRoleBinding.rbac.authorization.k8s.io': bindingPrinter,
  'CertificateSigningRequest.certificates.k8s.io': printer(
    nameColumn,
    ageColumn,
    column('SignerName', (object) => orNone(textAt(spec(object), 'signerName'))),
    column('Requestor', (object) => textAt(spec(object), 'username')),
    column('RequestedDuration', (object) => {
      const seconds = spec(object)?.['expirationSeconds'];
      return typeof seconds === 'number' ? humanDuration(seconds * 1000) : '<none>';
    }),
    column('Condition', certificateCondition),
  ),
  'ClusterTrustBundle.certificates.k8s.io': printer(
    nameColumn,
    column('SignerName', (object) => textAt(spec(object), 'signerName') || '<none>'),
  ),
  'MutatingWebhookConfiguration.admissionregistration.k8s.io': webhookPrinter,
  'ValidatingWebhookConfiguration.admissionregistration.k8s.io': webhookPrinter,
  'ValidatingAdmissionPolicy.admissionregistration.k8s.io': printer(
    nameColumn,
    integerColumn('Validations', (object) => objectsAt(spec(object), 'validations').length),
    column('ParamKind', paramKind),
    ageColumn,
  ),
  'MutatingAdmissionPolicy.admissionregistration.k8s.io': printer(
    nameColumn,
    integerColumn('Mutations', (object) => objectsAt(spec(object), 'mutations').length),
    column('ParamKind', paramKind),
    ageColumn,
  ),
  'ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io': policyBindingPrinter(),
  'MutatingAdmissionPolicyBinding.admissionregistration.k8s.io': policyBindingPrinter(),
  'FlowSchema.flowcontrol.apiserver.k8s.io': printer(
    nameColumn,
    column('PriorityLevel', (object) => textAt(objectAt(spec(object), 'priorityLevelConfiguration'), 'name')),
    integerColumn('MatchingPrecedence', (object) => numberAt(spec(object), 'matchingPrecedence')),
    column('DistinguisherMethod', (object) => orNone(textAt(objectAt(spec(object), 'distinguisherMethod'), 'type'))),
    ageColumn,
    column('MissingPL', (object) => {
      const dangling = objectsAt(status(object), 'conditions').find((c) => c['type'] === 'Dangling');
      return textAt(dangling, 'status') || '?';
    }),
  ),
  'PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io': printer(
    nameColumn,
    column('Type', (object) => textAt(spec(object), 'type')),
    column('NominalConcurrencyShares', (object) => limitedValue(object, 'nominalConcurrencyShares')),
    column('Queues', (object) => queuingValue(object, 'queues')),
    column('HandSize', (object) => queuingValue(object, 'handSize')),
    column('QueueLengthLimit', (object) => queuingValue(object, 'queueLengthLimit')),
    ageColumn,
  ),
  'APIService.apiregistration.k8s.io': printer(
    nameColumn,
    column('Service', (object) => {
      const service = objectAt(spec(object), 'service');
      return service === undefined ? 'Local' : `${textAt(service, 'namespace')}/${textAt(service, 'name')}`;
    }),
    column('Available', (object) => {
      const available = objectsAt(status(object), 'conditions').find((condition) => condition['type'] === 'Available');
      if (available === undefined) return 'Unknown';
      return available['status'] === 'True'
        ? 'True'
        : `${textAt(available, 'status')} (${textAt(available, 'reason')})`;
    }),
    ageColumn,
  ),
  'Scale.autoscaling': printer(
    nameColumn,
    integerColumn('Desired', (object) => numberAt(spec(object), 'replicas')),
    integerColumn('Available', (object) => numberAt(status(object), 'replicas')),
    ageColumn,
  ),
  'Status.': printer(
    column('Status', (object) => textAt(object, 'status')),
    column('Reason', (object) => textAt(object, 'reason')),
    column('Message', (object) => textAt(object, 'message')),
  ),
};

function subjects(binding: JsonObject, kind: string): string[] {
  return objectsAt(binding, 'subjects')
    .filter((subject) => subject['kind'] === kind)
    .map((subject) => {
      const namespace = textAt(subject, 'namespace');
      return kind === 'ServiceAccount' ? `${namespace}/${textAt(subject, 'name')}` : textAt(subject, 'name');
    });
}

function certificateCondition(request: JsonObject): string {
  const types = new Set(objectsAt(status(request), 'conditions').map((condition) => textAt(condition, 'type')));
  let text = types.has('Denied') ? 'Denied' : types.has('Approved') ? 'Approved' : 'Pending';
  if (types.has('Failed')) text += ',Failed';
  if (textAt(status(request), 'certificate') !== '') text += ',Issued';
  return text;
}

function paramKind(policy: JsonObject): string {
  const kind = objectAt(spec(policy), 'paramKind');
  return kind === undefined ? '<unset>' : `${textAt(kind, 'apiVersion')}/${textAt(kind, 'kind')}`;
}

function policyBindingPrinter(): TablePrinter {
  return printer(
    nameColumn,
    column('PolicyName', (object) => textAt(spec(object), 'policyName')),
    column('ParamRef', (object) => {
      const reference = objectAt(spec(object), 'paramRef');
      if (reference === undefined) return '<unset>';
      const place = textAt(reference, 'namespace') || '*';
      return `${place}/${textAt(reference, 'name') || '*'}`;
    }),
    ageColumn,
  );
}

function limitedValue(level: JsonObject, key: string): string {
  const value = (objectAt(spec(level), 'limited') ?? objectAt(spec(level), 'exempt'))?.[key];
  return typeof value === 'number' ? `${value}` : '<none>';
}

function queuingValue(level: JsonObject, key: string): string {
  const queuing = objectAt(objectAt(objectAt(spec(level), 'limited'), 'limitResponse'), 'queuing');
  const value = queuing?.[key];
  return typeof value === 'number' ? `${value}` : '<none>';
}
