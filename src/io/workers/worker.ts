import { parentPort } from "node:worker_threads";
import { type Answer, encodeError, type Request } from "./messages.js";
import { tasks } from "./tasks.js";

// The entry of a worker thread: runs what it is asked to, and answers.

const port = parentPort;
if (port === null) throw new Error("worker.js runs in a worker thread only");

const running = new Map<number, AbortController>();
const answer = (message: Answer): void => port.postMessage(message);

port.on("message", (request: Request) => {
  if (request.type === "abort") running.get(request.id)?.abort();
  else void run(request.id, request.name, request.input);
});

/** A message wakes the other thread: so many bytes go by before one is sent. */
const toldAtOnce = 4 * 1024 * 1024;

async function run(id: number, name: string, input: unknown): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    // The pool's `run` has checked name and input by type.
    const task: unknown = Object.hasOwn(tasks, name) ? Reflect.get(tasks, name) : undefined;
    if (typeof task !== "function") throw new Error(`no task is called "${name}"`);
    let bytes = 0;
    const result: unknown = await task(input, {
      signal: controller.signal,
      advanced: (more: number) => {
        bytes += more;
        if (bytes < toldAtOnce) return;
        answer({ type: "advanced", id, bytes });
        bytes = 0;
      },
    });
    if (bytes > 0) answer({ type: "advanced", id, bytes });
    answer({ type: "done", id, result });
  } catch (error) {
    answer({ type: "failed", id, error: encodeError(error) });
  } finally {
    running.delete(id);
  }
}
