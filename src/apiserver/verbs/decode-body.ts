import { decodeObject, type FieldValidation } from '../../api/decode.ts';
import { applyDefaults } from '../../api/defaults.ts';
import { badRequest } from '../../api/errors.ts';
import { parseJson, parseYamlBody } from '../../api/json.ts';
import type { GroupVersionKind, JsonKubeObject } from '../../api/object.ts';
import { decodeText } from '../../lib/bytes.ts';

import type { RequestContext } from '../exchange.ts';
import { bodyFormat } from '../negotiation.ts';
import { parseProtobufBody } from './protobuf-body.ts';

/** The object in the body, checked, pruned and defaulted, in the version of the URL. @throws {ApiError} */
export async function decodeBody(
  context: RequestContext,
  { gvk, fieldValidation }: { gvk: GroupVersionKind; fieldValidation: FieldValidation },
): Promise<JsonKubeObject> {
  const { exchange } = context;
  const format = bodyFormat(exchange);
  const bytes = await exchange.body();
  if (bytes.length === 0) throw badRequest('the request body is empty');
  const { value, duplicates } = parseBody(bytes, { format, duplicates: fieldValidation !== 'Ignore', gvk });
  const { object, warnings } = decodeObject(value, { gvk, fieldValidation, duplicates });
  for (const warning of warnings) context.warn(warning);
  if (context.audit?.wantsRequestObject) context.audit.requestObject(structuredClone(object));
  applyDefaults(object, gvk);
  return object;
}

function parseBody(
  bytes: Uint8Array,
  { format, duplicates, gvk }: { format: 'json' | 'yaml' | 'protobuf'; duplicates: boolean; gvk: GroupVersionKind },
): { value: unknown; duplicates: readonly string[] } {
  if (format === 'json') return parseJson(bytes, { duplicates });
  if (format === 'yaml') return { value: parseYamlBody(decodeText(bytes)), duplicates: [] };
  return { value: parseProtobufBody(bytes, gvk), duplicates: [] };
}
