import { fingerprintTask } from "./fingerprint-task.js";
import { finishTask, materializeTask, verifyTask } from "./install-tasks.js";
import { mergeTask, scanTask } from "./layer-tasks.js";
import { packTask } from "./pack-task.js";

/** What a worker thread can do, by name. A task's input and result travel by structured clone. */
export const tasks = {
  pack: packTask,
  fingerprint: fingerprintTask,
  materialize: materializeTask,
  finish: finishTask,
  verify: verifyTask,
  scan: scanTask,
  merge: mergeTask,
};

export type Tasks = typeof tasks;
export type TaskName = keyof Tasks;
export type TaskInput<Name extends TaskName> = Parameters<Tasks[Name]>[0];
export type TaskResult<Name extends TaskName> = Awaited<ReturnType<Tasks[Name]>>;
