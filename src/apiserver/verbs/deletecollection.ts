import { ApiError } from '../../api/errors.ts';
import type { JsonKubeObject } from '../../api/object.ts';
import { admissionContext } from '../admission/admission-context.ts';
import { negotiate } from '../negotiation.ts';
import { sendObject } from '../respond.ts';
import { deleteObject } from '../writes/delete-object.ts';
import { writtenObject } from '../writes/written.ts';
import { parseDeleteOptions } from './delete.ts';
import { readPage } from './list.ts';
import { filterOf, parseListOptions } from './list-options.ts';
import type { ResourceRequest } from './request.ts';

/** How many deletions are under way at once. */
const parallel = 16;

/** Deletes what a list would show, one by one, and answers that list. */
export async function removeCollection({ services, context, resource }: ResourceRequest): Promise<void> {
  const { exchange, info, user } = context;
  const listOptions = parseListOptions(exchange.query, { watch: false });
  const options = await parseDeleteOptions(exchange);
  const { format } = negotiate(exchange);
  const filter = filterOf(resource, { ...info, name: '' }, listOptions);
  const { objects } = await readPage(services, { resource, filter, options: listOptions });
  const waiting = [...objects];
  const items: JsonKubeObject[] = [];
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      exchange.signal.throwIfAborted();
      const { namespace, name } = next;
      try {
        const { result } = await deleteObject(services, {
          resource,
          subresource: '',
          namespace,
          name,
          user,
          dryRun: options['dryRun'] !== undefined,
          options,
          ...admissionContext(context),
        });
        items.push(writtenObject(resource, result) as JsonKubeObject);
      } catch (error) {
        // Somebody else was faster: it is gone, which is what was asked for.
        if (!(error instanceof ApiError) || error.reason !== 'NotFound') throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  const { group, version, listKind } = resource.info;
  const object = {
    kind: listKind,
    apiVersion: resource.apiVersion,
    metadata: { resourceVersion: String(services.feed.revision) },
    items,
  };
  await sendObject(exchange, 200, { object, gvk: { group, version, kind: listKind }, format });
}
