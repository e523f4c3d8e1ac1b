import { type ImageRequest, type Mount, RuntimeError } from '../runtime.ts';

/** What a process runtime runs for an image name. */
export interface ProcessImage {
  readonly command: readonly string[];
  /** What of the host the program needs to see at other places than `/usr` and `/opt`. */
  readonly mounts?: readonly Mount[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Names without tag and registry, for example `fairlead/demo`, or exactly as a pod writes them. */
export type ImageTable = Readonly<Record<string, ProcessImage>>;

const reference =
  /^(?:[a-zA-Z0-9.-]+(?::\d+)?\/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[\w][\w.-]{0,127})?(?:@[a-z0-9]+:[0-9a-f]{32,})?$/;

/**
 * What runs for `request`. There are no images here: a name is looked up in the table, and a container that names its command
 * runs that with the host's programs.
 */
export function resolveImage(table: ImageTable, request: ImageRequest): { imageId: string; image: ProcessImage } {
  const { image, hasCommand } = request;
  if (!reference.test(image)) {
    throw new RuntimeError(
      'InvalidImageName',
      `Failed to apply default image tag "${image}": couldn't parse image name`,
    );
  }
  const known = table[image] ?? table[shortName(image)];
  if (known) return { imageId: `fairlead-process/${shortName(image)}`, image: known };
  if (hasCommand) return { imageId: 'fairlead-process/host', image: { command: [] } };
  throw new RuntimeError(
    'ErrImagePull',
    `failed to pull image "${image}": this node runs host processes and has no images. ` +
      'Give the container a command, use one of ' +
      `${Object.keys(table).sort().join(', ')}, start the node with --process-image ${shortName(image)}=/path/to/program, ` +
      'or set runtimeClassName: simulated',
  );
}

/** `docker.io/library/nginx:1.27@sha256:…` → `nginx`. */
function shortName(image: string): string {
  return image
    .replace(/@.*$/, '')
    .replace(/:[^:/]*$/, '')
    .replace(/^(?:docker\.io|index\.docker\.io)\//, '')
    .replace(/^library\//, '');
}
