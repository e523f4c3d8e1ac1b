import type { GroupVersionKind } from './object.ts';
import { accessPrinters } from './tables/access.ts';
import { clusterPrinters } from './tables/cluster.ts';
import { networkPrinters } from './tables/network.ts';
import { podPrinter } from './tables/pod.ts';
import { defaultPrinter, type TablePrinter } from './tables/printer.ts';
import { storagePrinters } from './tables/storage.ts';
import { workloadPrinters } from './tables/workloads.ts';

const printers: ReadonlyMap<string, TablePrinter> = new Map([
  ['Pod.', podPrinter],
  ...Object.entries(workloadPrinters),
  ...Object.entries(clusterPrinters),
  ...Object.entries(networkPrinters),
  ...Object.entries(accessPrinters),
  ...Object.entries(storagePrinters),
]);

/** How objects of this kind are shown in a table; name and time of creation where upstream has no columns for it. */
export function tableFor({ group, kind }: Pick<GroupVersionKind, 'group' | 'kind'>): TablePrinter {
  return printers.get(`${kind}.${group}`) ?? defaultPrinter;
}
