import type { InstallWorkers } from "../install/install-package.js";
import type { Workers } from "../io/workers/pool.js";

/** The hot loops of an install, in worker threads. */
export const installWorkers = (workers: Workers): InstallWorkers => ({
  // The largest first, so that none is left to one thread at the end; to finish one takes little, and others wait for it.
  materialize: (job, call) => workers.run("materialize", job, { ...call, urgency: job.size }),
  finish: (job, call) => workers.run("finish", job, { ...call, urgency: Number.POSITIVE_INFINITY }),
  verify: (prefix, call) => workers.run("verify", prefix, call),
});
