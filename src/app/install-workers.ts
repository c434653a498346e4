import type { InstallWorkers } from "../install/install-package.js";
import type { Workers } from "../io/workers/pool.js";

/** The hot loops of an install, in worker threads. */
export const installWorkers = (workers: Workers): InstallWorkers => ({
  materialize: (job, call) => workers.run("materialize", job, call),
  finish: (job, call) => workers.run("finish", job, call),
  verify: (prefix, call) => workers.run("verify", prefix, call),
});
