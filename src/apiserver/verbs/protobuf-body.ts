import { badRequest } from '../../api/errors.ts';
import type { GroupVersionKind } from '../../api/object.ts';
import { ProtocolError } from '../../lib/protocol-error.ts';
import { decodeProtobufObject } from '../../wire/object-protobuf.ts';

/** A protobuf body as the JSON that it stands for, with its kind and apiVersion. @throws {ApiError} `BadRequest` */
export function parseProtobufBody(bytes: Uint8Array, fallback: GroupVersionKind): unknown {
  try {
    return decodeProtobufObject(bytes, { fallback }).object;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    const message = `the body cannot be decoded as a protobuf ${fallback.kind}: ${error.message}`;
    throw badRequest(message, { cause: error });
  }
}
