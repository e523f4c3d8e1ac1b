import { isIP } from 'node:net';
import { CommandFailure } from '../command.ts';
import type { Family } from '../service-port.ts';
import { tableName } from './fragment.ts';
import type { Nft } from './nft.ts';
import type { Table } from './table.ts';

interface AffinityClient {
  readonly address: string;
  /** Since its last connection it may stay so long. */
  readonly timeoutSeconds: number;
  readonly leftSeconds: number;
}

/** Clients with affinity by the set of the endpoint that they stay with. */
export type AffinityClients = ReadonlyMap<string, readonly AffinityClient[]>;

const prefix = 'affinity-';

/** The clients that the kernel knows; none where there is no table. */
export async function readClients(nft: Nft, family: Family): Promise<AffinityClients> {
  const clients = new Map<string, AffinityClient[]>();
  let listing: unknown;
  try {
    listing = await nft.list('table', family, tableName);
  } catch (error) {
    if (error instanceof CommandFailure && error.code !== undefined) return clients;
    throw error;
  }
  for (const entry of fieldOf(listing, 'nftables', Array.isArray) ?? []) {
    const set = fieldOf(entry, 'set', isObject);
    const name = fieldOf(set, 'name', isString);
    if (!name?.startsWith(prefix)) continue;
    const found = (fieldOf(set, 'elem', Array.isArray) ?? []).map(parseClient).filter((client) => client !== undefined);
    if (found.length > 0) clients.set(name, found);
  }
  return clients;
}

/** Commands that put clients back into the sets that are still there. */
export function restoreClients(table: Table, clients: AffinityClients): string[] {
  const commands: string[] = [];
  for (const [set, all] of clients) {
    if (!table.hasContainer(set)) continue;
    const elements = all.map(({ address, timeoutSeconds, leftSeconds }) => {
      return `${address} timeout ${timeoutSeconds}s expires ${leftSeconds}s`;
    });
    commands.push(`add element ${table.family} ${tableName} ${set} { ${elements.join(', ')} }`);
  }
  return commands;
}

/** `{"elem": {"val": "10.0.0.1", "timeout": 600, "expires": 590}}` */
function parseClient(entry: unknown): AffinityClient | undefined {
  const element = fieldOf(entry, 'elem', isObject);
  const address = fieldOf(element, 'val', isString);
  const timeoutSeconds = fieldOf(element, 'timeout', isNumber);
  const leftSeconds = fieldOf(element, 'expires', isNumber);
  if (address === undefined || isIP(address) === 0 || !timeoutSeconds || !leftSeconds) return undefined;
  return { address, timeoutSeconds, leftSeconds };
}

function fieldOf<T>(value: unknown, name: string, is: (field: unknown) => field is T): T | undefined {
  if (!isObject(value)) return undefined;
  const field = value[name];
  return is(field) ? field : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isString(value: unknown): value is string {
  return typeof value === 'string';
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value);
}
