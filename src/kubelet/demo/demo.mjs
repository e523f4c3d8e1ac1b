// The demo pod where there is no Perl: the same page as demo.pl.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const { env } = process;
const mount = `${env.FAIRLEAD_ROOT ?? ''}/var/run/secrets/kubernetes.io/serviceaccount`;
const address = env.POD_IP ?? env.FAIRLEAD_POD_IP ?? '127.0.0.1';
const port = Number(env.PORT ?? 8080);
const requests = [];

function content(name) {
  try {
    return readFileSync(`${mount}/${name}`, 'utf8').trimEnd();
  } catch {
    return '';
  }
}

function claims() {
  const payload = content('token').split('.')[1];
  return payload ? Buffer.from(payload, 'base64url').toString().replaceAll(',', ',\n    ') : '(no token)';
}

function page() {
  const ca = content('ca.crt');
  const certificates = ca.split('BEGIN CERTIFICATE').length - 1;
  return [
    `Hello from pod ${env.POD_NAME ?? env.HOSTNAME ?? '?'}`,
    '',
    `namespace        ${content('namespace')}`,
    `node             ${env.NODE_NAME ?? '?'}`,
    `address          ${address}:${port}`,
    `API server       https://${env.KUBERNETES_SERVICE_HOST ?? '?'}:${env.KUBERNETES_SERVICE_PORT ?? '?'}`,
    `cluster CA       ${certificates} certificate(s), ${ca.length} bytes`,
    `token claims     ${claims()}`,
    `requests         ${requests.length}`,
    ...requests.map((line) => `    ${line}`),
    '',
  ].join('\n');
}

const server = createServer((request, response) => {
  const time = new Date().toISOString().slice(11, 19);
  const line = `${time}Z ${request.socket.remoteAddress} ${request.method} ${request.url}`;
  console.log(line);
  requests.push(line);
  if (requests.length > 20) requests.shift();
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' }).end(page());
});
server.listen(port, address, () => console.log(`listening on http://${address}:${port}`));
process.on('SIGTERM', () => {
  console.log('stopping');
  process.exit(0);
});
