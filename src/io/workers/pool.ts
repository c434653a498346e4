import { type Transferable, Worker } from "node:worker_threads";
import { type Call, checkInterrupted } from "../../base/call.js";
import { createLimiter } from "../../base/limit.js";
import { type Answer, decodeError, type Request } from "./messages.js";
import type { TaskInput, TaskName, TaskResult } from "./tasks.js";

/** Threads for the hot loops. None is started before it is asked for; an idle one does not keep the process alive. */
export interface Workers extends AsyncDisposable {
  readonly threads: number;
  /** Starts the threads, where work is sure to come: that takes each as long as a command's own start. */
  prepare(): void;
  /** Runs a task in a thread of its own, as soon as one is free. An error comes back as the Failure that it was. */
  run<Name extends TaskName>(
    name: Name,
    input: TaskInput<Name>,
    options?: RunOptions,
  ): Promise<TaskResult<Name>>;
  /** Ends the threads; what still runs or waits fails. */
  close(): Promise<void>;
}

export interface RunOptions extends Call {
  /** Buffers to move instead of copying. */
  readonly transfer?: readonly Transferable[] | undefined;
  /** Of the tasks that wait the most urgent is next; else the first. */
  readonly urgency?: number | undefined;
  /** So many more bytes are done. */
  readonly advanced?: ((bytes: number) => void) | undefined;
}

export function createWorkers({ threads }: { threads: number }): Workers {
  const limiter = createLimiter(Math.max(1, threads));
  const idle: Thread[] = [];
  const all = new Set<Thread>();
  let closed = false;

  const close = async (): Promise<void> => {
    closed = true;
    const ending = [...all];
    all.clear();
    idle.length = 0;
    await Promise.all(ending.map((thread) => thread.end()));
  };

  return {
    threads,
    prepare() {
      while (!closed && all.size < threads) {
        const thread = startThread();
        all.add(thread);
        idle.push(thread);
      }
    },
    run: (name, input, options = {}) =>
      limiter(async () => {
        checkInterrupted(options);
        if (closed) throw new Error(`the worker threads are closed, "${name}" cannot run`);
        // One that died while it waited would never answer.
        const thread = idle.findLast((one) => one.alive()) ?? startThread();
        const at = idle.indexOf(thread);
        if (at >= 0) idle.splice(at, 1);
        all.add(thread);
        try {
          // The worker ran the task of this name, so its result is of this type.
          return (await thread.run(name, input, options)) as TaskResult<typeof name>;
        } finally {
          if (thread.alive() && all.has(thread)) idle.push(thread);
          else all.delete(thread);
        }
      }, options.urgency),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The bundled worker: beside this file's bundle, or in dist/ when the sources themselves run. */
const entry = new URL(
  import.meta.url.endsWith("/src/io/workers/pool.ts") ? "../../../dist/lib/worker.js" : "./worker.js",
  import.meta.url,
);

interface Thread {
  run(name: string, input: unknown, options: RunOptions): Promise<unknown>;
  alive(): boolean;
  end(): Promise<void>;
}

interface Running {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly advanced: ((bytes: number) => void) | undefined;
}

function startThread(): Thread {
  const worker = new Worker(entry);
  worker.unref();
  let alive = true;
  let running: (Running & { id: number }) | undefined;
  let lastId = 0;
  const fail = (error: unknown): void => {
    alive = false;
    running?.reject(error);
  };
  worker.on("error", fail);
  worker.on("exit", (code) => fail(new Error(`a worker thread ended (exit code ${code})`)));
  worker.on("message", (answer: Answer) => {
    if (answer.id !== running?.id) return;
    if (answer.type === "advanced") running.advanced?.(answer.bytes);
    else if (answer.type === "done") running.resolve(answer.result);
    else running.reject(decodeError(answer.error));
  });
  const post = (request: Request, transfer: readonly Transferable[] = []): void =>
    worker.postMessage(request, transfer);

  return {
    run: async (name, input, { signal, transfer, advanced }) => {
      const id = ++lastId;
      const abort = (): void => post({ type: "abort", id });
      worker.ref();
      signal?.addEventListener("abort", abort, { once: true });
      try {
        return await new Promise((resolve, reject) => {
          running = { id, resolve, reject, advanced };
          post({ type: "run", id, name, input }, transfer);
        });
      } finally {
        running = undefined;
        signal?.removeEventListener("abort", abort);
        worker.unref();
      }
    },
    alive: () => alive,
    end: async () => void (await worker.terminate()),
  };
}
