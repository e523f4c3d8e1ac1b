import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { helperEnvironment, type Isolation, probeIsolation } from './isolation.ts';
import { openBed, output, processesNaming, untilNoneNames } from './process-bed-suite.ts';
import { supervisorScript } from './supervisor-script.ts';

const isolation = await probeIsolation();
const modes: Isolation[] = [
  { mode: 'plain', reason: 'test', terminals: isolation.terminals },
  ...(isolation.mode === 'root' ? [isolation] : []),
];
const forever = { command: ['sh', '-c', 'echo up; sleep 1000 & sleep 1000'] };

for (const mode of modes) {
  test(`${mode.mode}: a container whose directory has been deleted ends with its supervisor`, async () => {
    await using bed = await openBed(mode);
    const running = await bed.start(forever);
    await bed.logged(running, 'up');
    await bed.exited(await bed.start({ command: ['true'] }));
    await bed.leave();
    assert.ok((await processesNaming(bed.directory)).length > 0);
    await rm(bed.directory, { recursive: true, force: true }).catch(() => {}); // an overlay's work directory stays
    await untilNoneNames(bed.directory);
  });

  test(`${mode.mode}: a start that its agent did not live to record leaves nothing`, async () => {
    await using bed = await openBed(mode);
    const id = await bed.runtime.createContainer(bed.sandboxId, bed.config(forever));
    const directory = join(bed.directory, 'run/containers', id);
    const child = spawn('bash', ['-p', '-c', supervisorScript, 'fairlead', directory, 'plain', '0.05'], {
      env: helperEnvironment,
      stdio: 'ignore',
    });
    const [code] = (await once(child, 'exit')) as [number];
    assert.equal(code, 1);
    assert.equal(await readFile(join(directory, 'exit'), 'utf8'), '');
  });

  test(`${mode.mode}: a start that was under way when the agent died is undone by the next one`, async () => {
    await using bed = await openBed(mode);
    const id = await bed.start(forever);
    await bed.logged(id, 'up');
    await bed.leave();
    const path = join(bed.directory, 'run/containers', id, 'container.json');
    const record = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    await writeFile(path, JSON.stringify({ ...record, state: { phase: 'created' } }));
    await bed.recover();
    assert.deepEqual(await processesNaming(bed.directory), []);
    assert.deepEqual(bed.runtime.listContainers(), []);
  });

  test(`${mode.mode}: removing a pod in the middle of its starts leaves nothing`, async () => {
    await using bed = await openBed(mode);
    const starts = Array.from({ length: 4 }, () => bed.start(forever));
    const settled = Promise.allSettled(starts);
    while (bed.runtime.listContainers().length < 4) await new Promise(setImmediate);
    await bed.runtime.stopSandbox(bed.sandboxId);
    await settled;
    await bed.runtime.removeSandbox(bed.sandboxId);
    assert.deepEqual(await processesNaming(bed.directory), []);
  });

  test(`${mode.mode}: what a container put into a session of its own ends with it`, async () => {
    await using bed = await openBed(mode);
    const id = await bed.start({ command: ['bash', '-c', 'setsid -f sleep 1000; echo up; exit 0'] });
    const ended = await bed.exited(id);
    assert.equal(await output(ended), 'up\n');
    assert.deepEqual(await processesNaming(join(bed.directory, 'run/containers', id)), []);
  });

  test(`${mode.mode}: a container whose supervisor is killed ends, and is reported`, async () => {
    await using bed = await openBed(mode);
    const id = await bed.start(forever);
    await bed.logged(id, 'up');
    const path = join(bed.directory, 'run/containers', id, 'container.json');
    const { supervisor } = JSON.parse(await readFile(path, 'utf8')) as { supervisor: { pid: number } };
    process.kill(supervisor.pid, 'SIGKILL');
    const { state } = await bed.exited(id);
    assert.equal(state.phase === 'exited' && state.exitCode, 137);
    await untilNoneNames(bed.directory);
  });
}
