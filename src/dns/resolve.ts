import { ProtocolError } from '../lib/protocol-error.ts';
import {
  type DnsAnswer,
  type DnsQuery,
  type DnsRecord,
  decodeDnsAddresses,
  dnsCodes,
  dnsTypes,
  encodeDnsAnswer,
  encodeDnsQuery,
} from '../wire/dns-message.ts';
import type { ClusterZone } from './cluster-zone.ts';
import type { DnsForwarder } from './forwarder.ts';

const internet = 1;
const maxAliases = 8;

export interface ResolveOptions {
  readonly zone: ClusterZone;
  readonly forwarder: DnsForwarder;
  readonly tcp: boolean;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/** The bytes that answer one query: from the cluster's zone, else from another resolver. Never rejects but by abort. */
export async function resolveQuery(
  message: Uint8Array,
  query: DnsQuery,
  options: ResolveOptions,
): Promise<{ bytes: Uint8Array; code: number; forwarded: boolean }> {
  const { zone, forwarder, tcp, maxBytes, signal } = options;
  const own = (answer: DnsAnswer) => ({
    bytes: encodeDnsAnswer(query, answer, { maxBytes }),
    code: answer.code,
    forwarded: false,
  });
  const refuse = (code: number) => own({ code, authoritative: false, answers: [] });
  if (query.opcode !== 0) return refuse(dnsCodes.notImplemented);
  if (query.question.class !== internet) return refuse(dnsCodes.refused);
  const found = zone.answer(query.question);
  try {
    switch (found.kind) {
      case 'records': {
        const { answers, additional = [] } = found;
        const authority = answers.length === 0 ? [zone.authority] : [];
        return own({ code: dnsCodes.noError, authoritative: true, answers, authority, additional });
      }
      case 'missing':
        return own({ code: dnsCodes.nameError, authoritative: true, answers: [], authority: [zone.authority] });
      case 'unknown':
        return refuse(dnsCodes.serverFailure);
      case 'alias': {
        const answers = await followAlias(query, found, options);
        return own({ code: dnsCodes.noError, authoritative: true, answers });
      }
      case 'foreign': {
        const bytes = await forwarder.ask(message, { tcp, signal });
        return { bytes, code: (bytes[3] ?? 0) & 15, forwarded: true };
      }
    }
  } catch (error) {
    if (signal.aborted) throw error;
    return refuse(dnsCodes.serverFailure);
  }
}

/** The alias and what stands behind it: programs' resolvers do not follow aliases themselves. */
async function followAlias(
  { id, question }: DnsQuery,
  first: { target: string; ttl: number },
  { zone, forwarder, tcp, signal }: ResolveOptions,
): Promise<DnsRecord[]> {
  const answers: DnsRecord[] = [];
  let name = question.name;
  let alias = first;
  for (let hops = 0; hops < maxAliases; hops++) {
    answers.push({ type: 'CNAME', name, ttl: alias.ttl, target: alias.target });
    if (question.type !== dnsTypes.A && question.type !== dnsTypes.AAAA) return answers;
    name = alias.target;
    const next = { ...question, name };
    const found = zone.answer(next);
    if (found.kind === 'alias') {
      alias = found;
      continue;
    }
    if (found.kind === 'records') return [...answers, ...found.answers];
    if (found.kind === 'missing' || found.kind === 'unknown') return answers;
    return [...answers, ...decodeDnsAddresses(await forwarder.ask(encodeDnsQuery(id, next), { tcp, signal }))];
  }
  throw new ProtocolError(`"${question.name}" is an alias of itself`);
}
