import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerState, ContainerStatus } from '../../api/kubernetes/core-v1.ts';
import { phaseOf } from './pod-phase.ts';

const running: ContainerState = { running: {} };
const waiting: ContainerState = { waiting: { reason: 'x' } };
const exited = (exitCode: number): ContainerState => ({ terminated: { exitCode } });

function status(name: string, state: ContainerState, lastState: ContainerState = {}): ContainerStatus {
  return {
    name,
    image: '',
    imageID: '',
    ready: false,
    restartCount: 0,
    state,
    lastState,
    started: state.running !== undefined,
  };
}

test('the phase follows from what containers do and may still do', () => {
  const cases: [policy: string, states: [ContainerState, ContainerState?][], ending: boolean, expected: string][] = [
    ['Always', [[running], [running]], false, 'Running'],
    ['Always', [[running], [waiting]], false, 'Pending'],
    ['Always', [[running], [waiting, exited(1)]], false, 'Running'],
    ['Always', [[waiting, exited(1)]], false, 'Running'],
    ['Always', [[exited(0)]], false, 'Running'],
    ['Never', [[exited(0)], [exited(0)]], false, 'Succeeded'],
    ['Never', [[exited(0)], [exited(3)]], false, 'Failed'],
    ['OnFailure', [[exited(3)]], false, 'Running'],
    ['OnFailure', [[exited(0)]], false, 'Succeeded'],
    ['Always', [[exited(0)]], true, 'Succeeded'],
    ['Always', [[exited(137)]], true, 'Failed'],
    ['Always', [[waiting]], false, 'Pending'],
  ];
  for (const [restartPolicy, states, ending, expected] of cases) {
    const containers = states.map((_, index) => ({ name: `c${index}` }));
    const main = states.map(([state, last], index) => status(`c${index}`, state, last));
    assert.equal(phaseOf({ spec: { restartPolicy, containers } }, { init: [], main }, { ending }), expected);
  }
});

test('init containers hold a pod back, and fail it only when nothing may be tried again', () => {
  const of = (restartPolicy: string, init: ContainerState) =>
    phaseOf(
      { spec: { restartPolicy, containers: [{ name: 'c' }], initContainers: [{ name: 'i' }] } },
      { init: [status('i', init)], main: [status('c', waiting)] },
      { ending: false },
    );
  assert.equal(of('Always', running), 'Pending');
  assert.equal(of('Always', exited(1)), 'Pending');
  assert.equal(of('Never', exited(1)), 'Failed');
});
