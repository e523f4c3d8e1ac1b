import { runCommand } from '../command.ts';
import type { Family } from '../service-port.ts';
import { tableName } from './fragment.ts';

const transactionTimeoutMs = 60_000;

/** The `nft` program: each call is one process. */
export class Nft {
  readonly #command: readonly string[];

  /** @param prefix put before `nft`, to run it in another namespace */
  constructor(prefix: readonly string[] = []) {
    this.#command = [...prefix, 'nft'];
  }

  /** Applies all commands or none of them. Nobody ever sees a part. @throws {CommandFailure} */
  async apply(commands: readonly string[], { check = false }: { check?: boolean } = {}): Promise<void> {
    const input = `${commands.join('\n')}\n`;
    await runCommand([...this.#command, ...(check ? ['--check'] : []), '-f', '-'], {
      input,
      timeoutMs: transactionTimeoutMs,
    });
  }

  /** What `nft -j list …` prints. @throws {CommandFailure} */
  async list(...what: readonly string[]): Promise<unknown> {
    return JSON.parse(await runCommand([...this.#command, '-j', 'list', ...what], { timeoutMs: transactionTimeoutMs }));
  }

  /** Deletes our table where there is one. */
  async deleteTable(family: Family): Promise<void> {
    await this.apply([`add table ${family} ${tableName}`, `delete table ${family} ${tableName}`]);
  }
}
