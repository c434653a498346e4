/** stowage: Spack's binaries into any container registry, and out of it again. */
export { exitCodes, Failure, type FailureDocument, type FailureKind } from "./base/failure.js";
export type { ProgressEvent, Report, Task } from "./base/progress.js";
