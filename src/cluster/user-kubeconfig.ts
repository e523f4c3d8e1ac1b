import { readFileSync } from 'node:fs';
import { parseKubeconfig } from '../client/kubeconfig.ts';
import { mergeIntoKubeconfig, writtenKubeconfig } from '../client/kubeconfig-file.ts';

/** Merges a cluster's admin kubeconfig into the user's own. Gives the file that was written. */
export async function copyIntoKubeconfig(
  source: string,
  options: { readonly file?: string; readonly switchContext: boolean },
): Promise<string> {
  const config = parseKubeconfig(readFileSync(source, 'utf8'), source);
  const file = await writtenKubeconfig(process.env, options.file);
  const { cluster } = config.clusters?.[0] ?? {};
  const { user } = config.users?.[0] ?? {};
  const decode = (text: string | undefined) => Buffer.from(text ?? '', 'base64').toString();
  await mergeIntoKubeconfig(
    file,
    {
      name: config['current-context'] ?? '',
      server: cluster?.server ?? '',
      ca: decode(cluster?.['certificate-authority-data']),
      certificate: {
        certificate: decode(user?.['client-certificate-data']),
        key: decode(user?.['client-key-data']),
      },
    },
    { switchContext: options.switchContext },
  );
  return file;
}
