/**
 * Replaces `$(NAME)` by what `lookup` gives; a name it does not know stays as it is, and `$$` is a plain `$`.
 * Source: k8s.io/kubernetes `third_party/forked/golang/expansion`.
 */
export function expandVariables(text: string, lookup: (name: string) => string | undefined): string {
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (found, name: string | undefined) => {
    if (name === undefined) return '$';
    return lookup(name) ?? found;
  });
}
