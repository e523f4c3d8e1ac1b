import type { Authorizer } from '../../auth/authorizer.ts';
import type { UserInfo } from '../../auth/user.ts';

/** Whether `user` may approve or sign for `signerName`, by its full name or its domain's wildcard `example.com/*`. */
export async function maySign(
  authorizer: Authorizer,
  { user, verb, signerName }: { user: UserInfo; verb: 'approve' | 'sign' | 'attest'; signerName: string },
): Promise<boolean> {
  const [domain = ''] = signerName.split('/');
  for (const name of [signerName, `${domain}/*`]) {
    const { verdict } = await authorizer.authorize({
      kind: 'resource',
      user,
      verb,
      group: 'certificates.k8s.io',
      version: '*',
      resource: 'signers',
      subresource: '',
      namespace: '',
      name,
    });
    if (verdict !== 'noOpinion') return verdict === 'allow';
  }
  return false;
}
