import { readFileSync } from 'node:fs';
import { currentOf } from '../client/client-config.ts';
import { clientConfigOf, parseKubeconfig } from '../client/kubeconfig.ts';
import { mergeIntoKubeconfig, writtenKubeconfig } from '../client/kubeconfig-file.ts';

/** Merges a cluster's admin kubeconfig into the user's own. Gives the file that was written. */
export async function copyIntoKubeconfig(
  source: string,
  options: { readonly file?: string; readonly switchContext: boolean },
): Promise<string> {
  const config = parseKubeconfig(readFileSync(source, 'utf8'), source);
  const file = await writtenKubeconfig(process.env, options.file);
  const { server, ca, certificate } = clientConfigOf(config);
  const pair = certificate && currentOf(certificate);
  await mergeIntoKubeconfig(
    file,
    { name: config['current-context'] ?? '', server, ca: currentOf(ca), ...(pair && { certificate: pair }) },
    { switchContext: options.switchContext },
  );
  return file;
}
