import type { Pod, PodSpec } from '../../api/kubernetes/core-v1.ts';
import type { PriorityClass } from '../../api/kubernetes/scheduling-v1.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { deny } from './deny.ts';
import type { LiveObjects } from './live-objects.ts';
import { newObject, resourceKey, storedObject } from './typed-object.ts';

const priorityClasses = 'priorityclasses.scheduling.k8s.io';
type PodWithSpec = Pod & { spec: PodSpec };

/** Turns a pod's priority class into its priority, and allows one global default class. */
export class Priority implements AdmissionPlugin {
  readonly name = 'Priority';
  readonly #objects: ObjectSource;
  readonly #live: LiveObjects;

  constructor({ objects, live }: { objects: ObjectSource; live: LiveObjects }) {
    this.#objects = objects;
    this.#live = live;
  }

  admit(attributes: AdmissionAttributes): void | Promise<void> {
    const { operation, subresource } = attributes;
    if (subresource !== '' || resourceKey(attributes) !== 'pods') return;
    if (operation === 'CREATE') return this.#admitPod(attributes);
    if (operation === 'UPDATE') keepPriority(newObject(attributes), storedObject(attributes));
  }

  validate(attributes: AdmissionAttributes): void {
    const { operation, subresource } = attributes;
    if (subresource !== '' || resourceKey(attributes) !== priorityClasses) return;
    if (operation !== 'CREATE' && operation !== 'UPDATE') return;
    const { globalDefault, metadata } = newObject<PriorityClass>(attributes);
    const present = this.#globalDefault()?.metadata?.name;
    if (!globalDefault || present === undefined) return;
    if (operation === 'UPDATE' && present === metadata?.name) return;
    throw deny(attributes, `PriorityClass ${present} is already marked as default. Only one default can exist`);
  }

  async #admitPod(attributes: AdmissionAttributes): Promise<void> {
    const { spec } = newObject<PodWithSpec>(attributes);
    const chosen = spec.priorityClassName
      ? await this.#find(attributes, spec.priorityClassName)
      : this.#globalDefault();
    if (chosen?.metadata?.name) spec.priorityClassName = chosen.metadata.name;
    const priority = chosen?.value ?? 0;
    const preemptionPolicy = chosen?.preemptionPolicy ?? 'PreemptLowerPriority';
    if (spec.priority !== undefined && spec.priority !== priority) {
      throw deny(
        attributes,
        `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${priority} from the given PriorityClass name`,
      );
    }
    if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== preemptionPolicy) {
      throw deny(
        attributes,
        `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${preemptionPolicy} from the given PriorityClass name`,
      );
    }
    spec.priority = priority;
    spec.preemptionPolicy = preemptionPolicy;
  }

  async #find(attributes: AdmissionAttributes, name: string): Promise<PriorityClass> {
    const key = { namespace: '', name };
    const found =
      this.#objects.get<PriorityClass>(priorityClasses, key) ??
      (await this.#live.get<PriorityClass>(priorityClasses, key));
    if (found === undefined) throw deny(attributes, `no PriorityClass with name ${name} was found`);
    return found;
  }

  /** Of several, which a race can leave, the one with the lowest value counts. */
  #globalDefault(): PriorityClass | undefined {
    const defaults = this.#objects.list<PriorityClass>(priorityClasses).filter(({ globalDefault }) => globalDefault);
    return defaults.sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0];
  }
}

/** An update that leaves the computed fields out means them as they are. */
function keepPriority({ spec }: PodWithSpec, { spec: stored }: Readonly<PodWithSpec>): void {
  if (spec.priority === undefined && stored.priority !== undefined) spec.priority = stored.priority;
  if (spec.preemptionPolicy === undefined && stored.preemptionPolicy !== undefined) {
    spec.preemptionPolicy = stored.preemptionPolicy;
  }
}
