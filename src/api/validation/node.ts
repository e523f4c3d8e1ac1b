import { duplicate, type FieldError, forbiddenField, invalid, notSupported, required } from '../field-error.ts';
import type { Node, Taint } from '../kubernetes/core-v1.ts';
import { labelValueErrors } from '../label-name.ts';
import { validateLegacyCidr } from './ip-address.ts';
import { validateLabelKey } from './labels.ts';
import { validateResourceQuantity } from './pod/resources.ts';
import { taintEffects } from './pod/scheduling.ts';

export function validateNode(node: Readonly<Node>): FieldError[] {
  const cidrs = node.spec?.podCIDRs ?? [];
  const errors = [...validateTaints(node.spec?.taints), ...validateQuantities(node)];
  errors.push(...cidrs.flatMap((cidr, i) => validateLegacyCidr(cidr, `spec.podCIDRs[${i}]`)));
  const families = new Set(cidrs.map((cidr) => cidr.includes(':')));
  if (cidrs.length > families.size) {
    errors.push(invalid('spec.podCIDRs', cidrs, 'may specify no more than one CIDR for each IP family'));
  }
  return errors;
}

export function validateNodeUpdate(node: Readonly<Node>, old: Readonly<Node>): FieldError[] {
  const errors = validateQuantities(node);
  const seen = new Set<string>();
  (node.status?.addresses ?? []).forEach((address, i) => {
    const key = `${address.type} ${address.address}`;
    if (seen.has(key))
      errors.push(duplicate(`status.addresses[${i}]`, { type: address.type, address: address.address }));
    seen.add(key);
  });
  const [cidrs = [], before = []] = [node.spec?.podCIDRs, old.spec?.podCIDRs];
  const only = (field: string) => `node updates may not change ${field} except from "" to valid`;
  if (before.length > 0 && before.join() !== cidrs.join()) {
    errors.push(forbiddenField('spec.podCIDRs', only('podCIDR')));
  }
  if (old.spec?.providerID && old.spec.providerID !== node.spec?.providerID) {
    errors.push(forbiddenField('spec.providerID', only('providerID')));
  }
  return [...errors, ...validateTaints(node.spec?.taints)];
}

/** Upstream reports them under `metadata`. */
function validateTaints(taints: readonly Taint[] = []): FieldError[] {
  const seen = new Set<string>();
  return taints.flatMap((taint, i) => {
    const { key = '', value = '', effect = '' } = taint;
    const at = `metadata.taints[${i}]`;
    const errors = validateLabelKey(key, `${at}.key`);
    const bad = labelValueErrors(value);
    if (bad.length > 0) errors.push(invalid(`${at}.value`, value, bad.join(';')));
    if (effect === '') errors.push(required(`${at}.effect`));
    else if (!taintEffects.includes(effect)) errors.push(notSupported(`${at}.effect`, effect, taintEffects));
    const id = `${effect} ${key}`;
    if (seen.has(id)) {
      const complaint = duplicate(at, { Key: key, Value: value, Effect: effect, TimeAdded: taint.timeAdded ?? null });
      errors.push({ ...complaint, body: `${complaint.body}: taints must be unique by key and effect pair` });
    }
    seen.add(id);
    return errors;
  });
}

function validateQuantities({ status = {} }: Readonly<Node>): FieldError[] {
  return (['capacity', 'allocatable'] as const).flatMap((list) =>
    Object.entries(status[list] ?? {}).flatMap(([name, quantity]) =>
      validateResourceQuantity(name, String(quantity), `status.${list}.${name}`),
    ),
  );
}
