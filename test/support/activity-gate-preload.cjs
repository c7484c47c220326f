'use strict';
// Preloaded into the worker (NODE_OPTIONS=--require …): lets a test hold every activity right before it begins and right after it has returned, without any
// hook in the product. Held while MODOSU_TEST_GATE_DIR/<activity>.<before|after> exists, or <activity>.<disk or name of the check>.<before|after>;
// `<point>.reached` says which process waits there, and for which run; `<point>.<run>.reached` the same of each run. In any other process, and in the worker's own threads, it does nothing.
const { existsSync, renameSync, writeFileSync } = require('node:fs');
const Module = require('node:module');
const { join } = require('node:path');
const { setTimeout: delay } = require('node:timers/promises');
const { isMainThread } = require('node:worker_threads');

const directory = process.env.MODOSU_TEST_GATE_DIR;
const POLL_MS = 50;
const HEARTBEAT_MS = 1_000;

if (directory && isMainThread && process.argv[2] === 'worker') {
  const load = Module._load;
  let isPatched = false;
  Module._load = function loadAndPatch(request, parent, ...rest) {
    const loaded = load.call(this, request, parent, ...rest);
    if (request === '@temporalio/worker' && !isPatched) {
      isPatched = true;
      const { Context } = parent.require('@temporalio/activity');
      const create = loaded.Worker.create;
      loaded.Worker.create = (options) => create.call(loaded.Worker, { ...options, activities: guard(options.activities ?? {}, Context) });
    }
    return loaded;
  };
}

const guard = (activities, Context) =>
  Object.fromEntries(
    Object.entries(activities).map(([name, activity]) => [
      name,
      async (...args) => {
        await passThrough(name, 'before', args, Context.current());
        const result = await activity(...args);
        await passThrough(name, 'after', args, Context.current());
        return result;
      },
    ]),
  );

/** Goes on when nobody holds the point (any more), or when the activity is cancelled. */
async function passThrough(activity, moment, args, context) {
  const point = pointsOf(activity, moment, args).find(isHeld);
  if (point === undefined) return;
  const runId = runOf(args);
  for (const path of [join(directory, `${point}.${runId}.reached`), join(directory, `${point}.reached`)]) {
    writeFileSync(`${path}.${process.pid}`, JSON.stringify({ pid: process.pid, runId }));
    renameSync(`${path}.${process.pid}`, path);
  }
  let heardAtMs = 0;
  while (isHeld(point) && !context.cancellationSignal.aborted) {
    if (!context.info.isLocal && Date.now() - heardAtMs >= HEARTBEAT_MS) {
      heardAtMs = Date.now();
      context.heartbeat();
    }
    await delay(POLL_MS);
  }
}

const isHeld = (point) => existsSync(join(directory, point));

function pointsOf(activity, moment, args) {
  const labels = args.slice(1).map((arg) => (typeof arg === 'string' ? arg : (arg?.target ?? arg?.name)));
  return [
    `${activity}.${moment}`,
    ...labels.filter((label) => typeof label === 'string' && /^[\w-]{1,64}$/.test(label)).map((label) => `${activity}.${label}.${moment}`),
  ];
}

/** Inputs of runs come first; some activities are given the id alone, or the input in an envelope. */
const runOf = ([first]) => (typeof first === 'string' ? first : (first?.runId ?? first?.input?.runId ?? null));
