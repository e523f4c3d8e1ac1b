/** How a remote command ended: the part of `metav1.Status` that the error stream carries. */
export interface CommandStatus {
  readonly metadata: Record<string, never>;
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: {
    readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
  };
  readonly code?: number;
}

export const successStatus: CommandStatus = { metadata: {}, status: 'Success' };

/** Success for 0, otherwise the Status that makes kubectl exit with `code`. */
export function exitStatus(code: number): CommandStatus {
  if (code === 0) return successStatus;
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${code}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  };
}

/** For anything but an exit code. `message` says what failed: `error executing command in container: …`. */
export function internalErrorStatus(message: string): CommandStatus {
  return {
    metadata: {},
    status: 'Failure',
    message: `Internal error occurred: ${message}`,
    reason: 'InternalError',
    details: { causes: [{ message }] },
    code: 500,
  };
}

/** The exit code that `status` carries: 0 for success, `undefined` for a failure that is none of the command's. */
export function exitCodeOf(status: CommandStatus): number | undefined {
  if (status.status === 'Success') return 0;
  const cause = status.details?.causes?.find(({ reason }) => reason === 'ExitCode');
  const code = Number.parseInt(cause?.message ?? '', 10);
  return status.reason === 'NonZeroExitCode' && Number.isInteger(code) ? code : undefined;
}

/**
 * Reads what an error stream said until its end: JSON from v4 on, plain text before. Nothing at all means success.
 * A Status that cannot be read counts as a failure with the text as its message.
 */
export function parseCommandStatus(text: string, options: { json: boolean }): CommandStatus {
  if (text.length === 0) return successStatus;
  if (options.json) {
    try {
      const value: unknown = JSON.parse(text);
      if (isCommandStatus(value)) return value;
    } catch {
      // falls through: some runtimes write plain text even here
    }
  }
  return { metadata: {}, status: 'Failure', message: text };
}

function isCommandStatus(value: unknown): value is CommandStatus {
  if (typeof value !== 'object' || value === null || !('status' in value)) return false;
  return value.status === 'Success' || value.status === 'Failure';
}
