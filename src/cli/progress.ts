import type { ProgressEvent, Report, Task } from "../base/progress.js";
import { formatDuration, formatSize, plural } from "./format.js";
import type { Terminal } from "./terminal.js";

/** Milliseconds between two pictures: fast enough to look alive. */
const frame = 100;
/** Lines of running tasks below the bar. */
const mostShown = 6;

interface Running {
  readonly task: Task;
  readonly since: number;
  bytes: number;
}

export interface Progress {
  readonly report: Report;
  /** Takes the bar away and says how it went. */
  close(): void;
}

/** Draws progress on stderr: one bar and the running tasks on a screen, a line for each finished task elsewhere. */
export function createProgress(terminal: Terminal, { verbose }: { readonly verbose: boolean }): Progress {
  const { err, paintErr } = terminal;
  const live = terminal.isTty.err;
  const running = new Map<string, Running>();
  let tasks = 0;
  let finished = 0;
  let failed = 0;
  let totalBytes = 0;
  let doneBytes = 0;
  let drawnLines = 0;
  let dirty = false;
  const started = Date.now();

  const erase = (): void => {
    // Up to the first line of the picture, and clear to the end of the screen.
    if (drawnLines > 0) err(`\u001b[${drawnLines}A\u001b[0J`);
    drawnLines = 0;
  };
  const draw = (): void => {
    if (!dirty) return;
    dirty = false;
    const width = terminal.columns - 1;
    const lines = [bar(), ...[...running.values()].slice(0, mostShown).map(taskLine)];
    if (running.size > mostShown) lines.push(`  and ${running.size - mostShown} more`);
    erase();
    err(`${lines.map((line) => line.slice(0, width)).join("\n")}\n`);
    drawnLines = lines.length;
  };
  const bar = (): string => {
    const all = Math.max(tasks, finished + failed + running.size);
    const share = totalBytes > 0 ? doneBytes / totalBytes : all === 0 ? 0 : (finished + failed) / all;
    const filled = Math.round(Math.min(1, share) * 24);
    const seconds = (Date.now() - started) / 1000;
    const speed = seconds > 0.5 && doneBytes > 0 ? `  ${formatSize(doneBytes / seconds)}/s` : "";
    const size = doneBytes > 0 ? `  ${formatSize(doneBytes)}` : "";
    return `[${"#".repeat(filled)}${"-".repeat(24 - filled)}] ${finished + failed}/${all}${size}${speed}`;
  };
  const taskLine = ({ task, bytes }: Running): string => {
    const of = task.bytes === undefined ? "" : ` of ${formatSize(task.bytes)}`;
    return `  ${task.verb} ${task.subject}${bytes > 0 ? `  ${formatSize(bytes)}${of}` : ""}`;
  };
  const say = (line: string): void => {
    if (live) erase();
    err(`${line}\n`);
    dirty = true;
  };

  const timer = live ? setInterval(draw, frame) : undefined;
  timer?.unref();

  const report = (event: ProgressEvent): void => {
    dirty = true;
    switch (event.type) {
      case "planned":
        tasks += event.tasks;
        totalBytes += event.bytes ?? 0;
        if (!live && event.tasks > 0) say(`${plural(event.tasks, "task")} to do${sizeNote(event.bytes)}`);
        return;
      case "started":
        running.set(event.task.id, { task: event.task, since: Date.now(), bytes: 0 });
        if (!live && verbose) say(`${event.task.verb} ${event.task.subject} …`);
        return;
      case "advanced": {
        const at = running.get(event.task.id);
        if (at !== undefined) at.bytes += event.bytes;
        doneBytes += event.bytes;
        return;
      }
      case "finished": {
        const { task } = event;
        const at = running.get(task.id);
        running.delete(task.id);
        finished += 1;
        if (live && !verbose) return;
        const bytes = at !== undefined && at.bytes > 0 ? at.bytes : (task.bytes ?? 0);
        const time = at === undefined ? "" : `, ${formatDuration(Date.now() - at.since)}`;
        say(`${task.verb} ${task.subject}: ${event.outcome}${sizeNote(bytes)}${time}`);
        return;
      }
      case "failed":
        running.delete(event.task.id);
        failed += 1;
        say(
          `${paintErr("red", "failed:")} ${event.task.verb} ${event.task.subject}: ${event.failure.message}`,
        );
        return;
      case "note":
        say(event.level === "warning" ? `${paintErr("yellow", "warning:")} ${event.message}` : event.message);
    }
  };
  return {
    report,
    close() {
      clearInterval(timer);
      erase();
    },
  };
}

const sizeNote = (bytes: number | undefined): string =>
  bytes === undefined || bytes === 0 ? "" : `, ${formatSize(bytes)}`;
