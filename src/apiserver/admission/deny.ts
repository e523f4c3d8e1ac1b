import { type ApiError, forbidden } from '../../api/errors.ts';
import type { AdmissionAttributes } from './admission.ts';

/** A refusal as admission words it: `pods "web-0" is forbidden: <why>`. An object without a name is called by its generateName. */
export function deny({ resource, name, object }: AdmissionAttributes, why: string): ApiError {
  const { name: ownName, generateName } = object?.metadata ?? {};
  const shown = [name, ownName, generateName].find((text) => typeof text === 'string' && text !== '');
  return forbidden(resource, typeof shown === 'string' ? shown : 'Unknown', why);
}
