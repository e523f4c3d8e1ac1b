import { X509Certificate } from 'node:crypto';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatYaml } from '../lib/yaml.ts';
import { clusterOptions, parseCluster } from './cluster-options.ts';
import { CommandError, type CommandSpec, exitCodes } from './command.ts';
import { formatTable } from './terminal.ts';

interface CertificateRow {
  readonly file: string;
  readonly subject: string;
  readonly issuer: string;
  readonly authority: boolean;
  readonly notAfter: string;
  readonly expired: boolean;
}

export const certs: CommandSpec = {
  name: 'certs',
  summary: 'List all certificates with their expiry',
  description:
    'Lists every certificate in the data directory: authorities, control plane, nodes. Exits with 3 when one has expired.',
  options: [
    ...clusterOptions,
    {
      flags: '-o, --output <format>',
      description: 'Output format',
      choices: ['text', 'json', 'yaml'],
      default: 'text',
    },
    { flags: '--no-headers', description: 'Leave out the column heads' },
  ],
  run: async ({ options, terminal }) => {
    const { name, paths } = parseCluster(options);
    if (!existsSync(paths.root)) {
      throw new CommandError(`no cluster "${name}" in ${paths.root}`, { hint: `fairlead up --name ${name}` });
    }
    const rows = findCertificates(paths.root, Date.now());
    const document = { apiVersion: 'fairlead.dev/v1', kind: 'CertificateList', items: rows };
    const format = options.text('output');
    if (format === 'json') terminal.print(JSON.stringify(document, undefined, 2));
    else if (format === 'yaml') terminal.print(formatYaml(document));
    else terminal.print(format === 'text' ? toTable(rows, options.optionalFlag('headers') === false) : '');
    return rows.some((row) => row.expired) ? exitCodes.unhealthy : exitCodes.ok;
  },
};

function findCertificates(root: string, now: number): CertificateRow[] {
  return globSync('**/*.{crt,pem}', { cwd: root })
    .sort()
    .flatMap((file): CertificateRow[] => {
      const pem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(
        readFileSync(join(root, file), 'utf8'),
      );
      if (!pem) return [];
      const certificate = new X509Certificate(pem[0]);
      return [
        {
          file,
          subject: oneLine(certificate.subject),
          issuer: oneLine(certificate.issuer),
          authority: certificate.ca,
          notAfter: certificate.validToDate.toISOString(),
          expired: certificate.validToDate.getTime() < now,
        },
      ];
    });
}

function toTable(rows: readonly CertificateRow[], noHeaders: boolean): string {
  const head = ['FILE', 'SUBJECT', 'ISSUER', 'EXPIRES'];
  const lines = rows.map((row) => [
    row.file,
    row.subject,
    row.issuer,
    row.expired ? `${row.notAfter} (EXPIRED)` : row.notAfter,
  ]);
  return formatTable(head, lines, { noHeaders });
}

/** Node separates the parts of a name with line breaks. */
function oneLine(name: string): string {
  return name.split('\n').join(', ');
}
