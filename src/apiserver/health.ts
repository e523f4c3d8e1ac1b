import type { Exchange } from './exchange.ts';
import { sendText } from './respond.ts';
import type { ConnectHandler } from './review.ts';

/** One thing that must be well. */
export interface HealthCheck {
  readonly name: string;
  /** Whether it counts for readiness only: a server that is alive may still not be ready. */
  readonly readinessOnly?: boolean;
  /** Throws when it is not. */
  check(): void | Promise<void>;
}

/** `/healthz`, `/livez`, `/readyz`, and each check on a path of its own. */
export function healthHandlers(checks: readonly HealthCheck[]): ReadonlyMap<string, ConnectHandler> {
  const alive = checks.filter(({ readinessOnly }) => !readinessOnly);
  return new Map([...endpoint('healthz', alive), ...endpoint('livez', alive), ...endpoint('readyz', checks)]);
}

function endpoint(name: string, checks: readonly HealthCheck[]): [string, ConnectHandler][] {
  const whole: ConnectHandler = ({ exchange }) => answerAll(exchange, name, checks);
  const single = checks.map((check): [string, ConnectHandler] => [
    `/${name}/${check.name}`,
    ({ exchange }) => answerOne(exchange, check),
  ]);
  return [[`/${name}`, whole], ...single];
}

async function answerAll(exchange: Exchange, name: string, checks: readonly HealthCheck[]): Promise<void> {
  const excluded = new Set(exchange.query.getAll('exclude'));
  const lines: string[] = [];
  let failed = false;
  for (const check of checks) {
    if (excluded.delete(check.name)) {
      lines.push(`[+]${check.name} excluded: ok`);
      continue;
    }
    try {
      await check.check();
      lines.push(`[+]${check.name} ok`);
    } catch {
      // The reason stays inside: these paths are open to everybody. `/readyz/<name>` tells it to those who may ask.
      failed = true;
      lines.push(`[-]${check.name} failed: reason withheld`);
    }
  }
  if (excluded.size > 0) {
    const names = [...excluded].map((unknown) => JSON.stringify(unknown)).join(',');
    lines.push(`warn: some health checks cannot be excluded: no matches for ${names}`);
  }
  exchange.setHeader('x-content-type-options', 'nosniff');
  if (failed) return sendText(exchange, 500, `${lines.join('\n')}\n${name} check failed\n`);
  const verbose = exchange.query.has('verbose');
  sendText(exchange, 200, verbose ? `${lines.join('\n')}\n${name} check passed\n` : 'ok');
}

async function answerOne(exchange: Exchange, check: HealthCheck): Promise<void> {
  exchange.setHeader('x-content-type-options', 'nosniff');
  try {
    await check.check();
  } catch (error) {
    return sendText(
      exchange,
      500,
      `internal server error: ${error instanceof Error ? error.message : String(error)}\n`,
    );
  }
  sendText(exchange, 200, 'ok');
}
