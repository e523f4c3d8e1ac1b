/** What the API server says about a token (`TokenReview.status`). */
export interface TokenReviewResult {
  readonly authenticated?: boolean;
  readonly error?: string;
  readonly username?: string;
}

/** Tokens instead of client certificates: agents are one service account. */
export interface AgentTokens {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly audience: string;
  /** Creates a TokenReview. */
  readonly review: (token: string, options: { audience: string; signal: AbortSignal }) => Promise<TokenReviewResult>;
}

const reviewTimeoutMs = 10_000;

/**
 * Checks the `authorization` metadata of a `Connect` call. The texts are upstream's.
 * @throws an error whose message goes to the agent
 */
export async function authenticateAgent(
  authorization: string | readonly string[] | undefined,
  tokens: AgentTokens,
): Promise<void> {
  const values = authorization === undefined ? [] : typeof authorization === 'string' ? [authorization] : authorization;
  const [value] = values;
  if (value === undefined) throw failure('Authentication context was not found in metadata');
  if (values.length > 1) throw failure(`too many (${values.length}) tokens are received`);
  if (!value.startsWith('Bearer ')) throw failure('received token does not have "Bearer " prefix');
  const signal = AbortSignal.timeout(reviewTimeoutMs);
  const token = value.slice('Bearer '.length).trim();
  const status = await tokens.review(token, { audience: tokens.audience, signal }).catch((error: unknown) => {
    throw failure(`Failed to authenticate request: ${error instanceof Error ? error.message : error}`, error);
  });
  if (status.error) throw failure(`lookup failed: ${status.error}`);
  if (!status.authenticated) throw failure('lookup failed: service account jwt not valid');
  const parts = (status.username ?? '').split(':');
  const [system, kind, namespace, name] = parts;
  if (parts.length !== 4 || system !== 'system' || kind !== 'serviceaccount') {
    throw failure('lookup failed: unexpected username format');
  }
  if (namespace !== tokens.namespace)
    throw failure(`lookup failed: incoming request from ${namespace} namespace. Expected ${tokens.namespace}`);
  if (name !== tokens.serviceAccount)
    throw failure(`lookup failed: incoming request from ${name} service account. Expected ${tokens.serviceAccount}`);
}

function failure(text: string, cause?: unknown): Error {
  return new Error(`Failed to validate authentication token, err:${text}`, { cause });
}
