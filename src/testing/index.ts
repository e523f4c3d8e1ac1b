// The public entry point `fairlead/testing`.

export type { ApiClient, ObjectRef, ResourceRef, WatchEvent } from '../client/client.ts';
export type {
  SimulatedContainer,
  SimulatedExec,
  SimulatedExecResult,
  Simulation,
} from '../kubelet/runtimes/simulated/simulation.ts';
export {
  type AddNodeOptions,
  type CreateClusterOptions,
  createCluster,
  type TestCluster,
  type TestNode,
} from './create-cluster.ts';
