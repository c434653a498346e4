import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isObject } from "../base/decode.js";
import { Failure, interrupted } from "../base/failure.js";
import type { Report as Progress } from "../base/progress.js";
import { whyNotPush } from "./may-push.js";
import { type Published, publish } from "./publish.js";
import { type Restored, restore, tellSteps } from "./restore.js";
import { openRunner, type Runner } from "./runner.js";
import { readSettings, type Settings } from "./settings.js";
import { summaryOf } from "./summary.js";

/** The step where the action stands in the job. */
async function main(runner: Runner, settings: Settings): Promise<void> {
  offerCommand(runner);
  const restored = await restore(settings, runner).catch((error: unknown): Restored => {
    return { installed: 0, present: 0, missing: [], bytes: 0, milliseconds: 0, failure: failureIn(error) };
  });
  tellSteps(restored, runner);
  complain(restored, settings, runner);
  runner.saveState("restored", JSON.stringify(restored));
}

/** The step after the job's own. */
async function post(runner: Runner, settings: Settings, restored: Restored): Promise<void> {
  const why = whyNotPush(settings, runner);
  if (why !== undefined) runner.log(`nothing is pushed: ${why}`);
  const published = why === undefined ? await publishOrTell(settings, runner) : { why };
  runner.summarize(summaryOf({ mirror: settings.mirror, restored, published }));
}

async function publishOrTell(settings: Settings, runner: Runner): Promise<Published> {
  const published = await publish(settings, runner).catch((error: unknown): Published => {
    return { pushed: [], present: 0, bytes: 0, milliseconds: 0, image: undefined, failure: failureIn(error) };
  });
  complain(published, settings, runner);
  return published;
}

/** What stopped the work, unless it was the job's end. */
function failureIn(error: unknown): string {
  if (error instanceof Failure && error.kind === "interrupted") throw error;
  return tellingOf(error);
}

/** A cache is there to save time: what goes wrong with it costs time, and not the job, unless that is asked for. */
function complain(
  { failure }: { readonly failure?: string | undefined },
  { failOnError }: Settings,
  runner: Runner,
): void {
  if (failure === undefined) return;
  runner.annotate(failOnError ? "error" : "warning", failure);
  if (failOnError) process.exitCode = 1;
}

/** What happened, and what to do about it. */
function tellingOf(error: unknown): string {
  if (error instanceof Failure)
    return error.hint === undefined ? error.message : `${error.message}. ${error.hint}`;
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `this is a bug in stowage, please report it: ${stack}`;
}

/** Puts `stowage` on the path of the steps that follow, by the Node that runs this. */
function offerCommand(runner: Runner): void {
  const temporary = runner.env["RUNNER_TEMP"];
  const program = fileURLToPath(new URL("./stowage.js", import.meta.url));
  if (!temporary || !existsSync(program)) return;
  const bin = join(temporary, "stowage-bin");
  const file = join(bin, "stowage");
  mkdirSync(bin, { recursive: true });
  const quoted = [process.execPath, program].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  writeFileSync(file, `#!/bin/sh\nexec ${quoted} "$@"\n`);
  chmodSync(file, 0o755);
  runner.addPath(bin);
}

const showProgress =
  (runner: Runner): Progress =>
  (event) => {
    if (event.type === "finished") runner.log(`${event.task.verb} ${event.task.subject}: ${event.outcome}`);
    else if (event.type === "failed")
      runner.log(`failed: ${event.task.verb} ${event.task.subject}: ${event.failure.message}`);
    else if (event.type === "note" && event.level === "warning") runner.annotate("warning", event.message);
    else if (event.type === "note") runner.log(event.message);
  };

function decodeRestored(text: string | undefined): Restored | undefined {
  const value: unknown = text === undefined ? undefined : JSON.parse(text);
  if (!isObject(value)) return undefined;
  const number = (name: string): number => (typeof value[name] === "number" ? value[name] : 0);
  const { missing, failure } = value;
  return {
    installed: number("installed"),
    present: number("present"),
    bytes: number("bytes"),
    milliseconds: number("milliseconds"),
    missing: Array.isArray(missing) ? missing.filter((name) => typeof name === "string") : [],
    failure: typeof failure === "string" ? failure : undefined,
  };
}

/** One step, from beginning to end. */
async function run(): Promise<void> {
  const runner = openRunner(process.env, (text) => void process.stdout.write(text));
  const stop = new AbortController();
  // The runner lets a cancelled job end in good order, for some seconds.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort(interrupted()));
  try {
    const isPost = runner.state("isPost") !== undefined;
    const restored = decodeRestored(runner.state("restored"));
    if (!isPost) runner.saveState("isPost", "true");
    // Where the first step could not begin, there is nothing to end.
    if (!isPost || restored !== undefined) {
      const settings = await readSettings(runner);
      const options = { ...settings.options, signal: stop.signal, report: showProgress(runner) };
      if (restored === undefined) await main(runner, { ...settings, options });
      else await post(runner, { ...settings, options }, restored);
    }
  } catch (error) {
    runner.annotate("error", tellingOf(error));
    process.exitCode = 1;
  }
  await new Promise((resolve) => process.stdout.write("", resolve));
  // Idle connections and worker threads are of no use any more.
  process.exit();
}

void run();
