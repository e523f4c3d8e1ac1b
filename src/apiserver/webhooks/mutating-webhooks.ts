import { decodeObject } from '../../api/decode.ts';
import { applyDefaults } from '../../api/defaults.ts';
import { internalError } from '../../api/errors.ts';
import { cloneJson, equalJson } from '../../api/json-equal.ts';
import type { JsonKubeObject } from '../../api/object.ts';
import { applyJsonPatch } from '../../api/patch/json-patch.ts';
import type { ResourceInfo } from '../../api/resource-info.ts';
import type { AdmissionAttributes, AdmissionPlugin, AdmitOutcome } from '../admission/admission.ts';
import { askWebhook, type WebhookDependencies } from './ask-webhook.ts';
import { ConfiguredWebhooks } from './configured-webhooks.ts';
import { isExempt, matchWebhook } from './match-webhook.ts';
import { kindOf, showObject, takeObject } from './reviewed-object.ts';
import type { Webhook } from './webhook.ts';

/** What the first round over a request's webhooks leaves for the second. */
interface Round {
  /** Called, and to be called again should the object change afterwards. */
  readonly called: Set<string>;
  readonly again: Set<string>;
  /** The object as the last webhook left it. */
  output: JsonKubeObject | undefined;
}

/**
 * Asks the matching webhooks of all MutatingWebhookConfigurations one after the other, each about what the one before has left. When one changed the
 * object, all mutating plugins run once more, and of the webhooks those that ask for it (`reinvocationPolicy: IfNeeded`).
 */
export class MutatingWebhooks implements AdmissionPlugin, Disposable {
  readonly name = 'MutatingAdmissionWebhook';
  readonly #dependencies: WebhookDependencies;
  readonly #configured: ConfiguredWebhooks;
  readonly #rounds = new WeakMap<AdmissionAttributes, Round>();

  constructor(dependencies: WebhookDependencies) {
    this.#dependencies = dependencies;
    this.#configured = new ConfiguredWebhooks(dependencies.objects, 'mutating');
  }

  admit(attributes: AdmissionAttributes): AdmitOutcome | Promise<AdmitOutcome> {
    const webhooks = this.#configured.all;
    if (webhooks.length === 0 || isExempt(attributes)) return;
    return this.#ask(attributes, webhooks);
  }

  [Symbol.dispose](): void {
    this.#configured[Symbol.dispose]();
  }

  async #ask(attributes: AdmissionAttributes, webhooks: readonly Webhook[]): Promise<AdmitOutcome> {
    const before = this.#rounds.get(attributes);
    const round = before ?? { called: new Set<string>(), again: new Set<string>(), output: undefined };
    this.#rounds.set(attributes, round);
    // Another plugin has changed the object since.
    if (before?.output && !equalJson(before.output, attributes.object)) callAgain(round);
    let changed = false;
    for (const [index, webhook] of webhooks.entries()) {
      if (before && !round.again.has(webhook.id)) continue;
      const version = matchWebhook(webhook, attributes, this.#dependencies);
      if (!version) continue;
      if (await this.#mutate(webhook, attributes, { version, key: `round_${before ? 1 : 0}_index_${index}` })) {
        changed = true;
        callAgain(round);
      }
      if (webhook.reinvoke) round.called.add(webhook.id);
    }
    round.output = attributes.object && cloneJson(attributes.object);
    return changed && !before ? 'reinvoke' : undefined;
  }

  /** Whether the object has changed. */
  async #mutate(
    webhook: Webhook,
    attributes: AdmissionAttributes,
    { version, key }: { version: ResourceInfo; key: string },
  ): Promise<boolean> {
    const { object, annotate } = attributes;
    const response = await askWebhook(webhook, attributes, { ...this.#dependencies, version, mutating: true });
    if (!response) {
      annotate?.(`failed-open.mutation.webhook.admission.k8s.io/${key}`, webhook.name);
      return false;
    }
    const patch = Array.isArray(response.patch) && response.patch.length === 0 ? undefined : response.patch;
    let changed = false;
    if (patch !== undefined) {
      // What connects has been read from the query already: a change would do nothing, and nobody would see that.
      if (!object || attributes.operation === 'CONNECT') {
        const why = `admission webhook ${JSON.stringify(webhook.name)} attempted to modify the object, which is not supported for this operation`;
        throw internalError(why);
      }
      const patched = patchObject(attributes, object, { version, patch });
      changed = !equalJson(object, patched);
      if (changed) replaceContent(object, patched);
    }
    const mutation = { configuration: webhook.configuration, webhook: webhook.name, mutated: changed };
    annotate?.(`mutation.webhook.admission.k8s.io/${key}`, JSON.stringify(mutation));
    return changed;
  }
}

function callAgain(round: Round): void {
  for (const id of round.called) round.again.add(id);
  round.called.clear();
}

/** The patched object in its storage version, decoded and defaulted as if the client had sent it. @throws {ApiError} `InternalError` */
function patchObject(
  attributes: AdmissionAttributes,
  object: JsonKubeObject,
  { version, patch }: { version: ResourceInfo; patch: unknown },
): JsonKubeObject {
  const gvk = kindOf(attributes, version);
  try {
    const value = applyJsonPatch(showObject(attributes, object, version), patch);
    const { object: decoded } = decodeObject(value, { gvk, fieldValidation: 'Ignore' });
    applyDefaults(decoded, gvk);
    const stored = takeObject(attributes, { changed: decoded, object, version });
    return { ...stored, metadata: { ...stored.metadata, ...ownMetadata(object) } };
  } catch (cause) {
    throw internalError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** What the server says and no webhook changes. */
function ownMetadata({ metadata }: JsonKubeObject): JsonKubeObject['metadata'] {
  const own: JsonKubeObject['metadata'] = {};
  for (const field of ['namespace', 'uid', 'creationTimestamp', 'resourceVersion']) {
    const value = metadata[field];
    if (value !== undefined) own[field] = value;
  }
  return own;
}

/** Everybody who holds the object sees the change. */
function replaceContent(object: JsonKubeObject, content: JsonKubeObject): void {
  for (const key of Object.keys(object)) if (!(key in content)) delete object[key as string];
  Object.assign(object, content);
}
