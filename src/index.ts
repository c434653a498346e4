/** stowage: Spack's binaries into any container registry, and out of it again. The verbs of the command line, typed. */
export {
  type AttestOptions,
  type AttestResult,
  attest,
  type VerifiedAttestations,
  type VerifyAttestationsOptions,
  verifyAttestations,
} from "./app/attest.js";
export {
  type AuthReport,
  authCheck,
  type LoginResult,
  type LogoutResult,
  login,
  logout,
} from "./app/auth.js";
export { type AutopushOptions, type AutopushResult, autopush } from "./app/autopush.js";
export {
  type ListedPackage,
  type ListOptions,
  type ListResult,
  list,
  type UpdateIndexOptions,
  updateIndex,
} from "./app/buildcache.js";
export type { CatalogOptions } from "./app/catalog.js";
export { configSection, type SectionResult } from "./app/config.js";
export type { StowageOptions } from "./app/context.js";
export { type FindOptions, type FindResult, type FoundPackage, find } from "./app/find.js";
export {
  createGpgKey,
  exportGpgKeys,
  listGpgKeys,
  type MirrorKey,
  mirrorKeys,
  publishGpgKeys,
  signDocument,
  type TrustOptions,
  trustDefaultKeys,
  trustKeyFile,
  untrustKeys,
  verifyDocument,
} from "./app/gpg-keys.js";
export {
  type DiffResult,
  diff,
  type Reason,
  type TreeNode,
  type TreeOptions,
  tree,
  type WhyResult,
  why,
} from "./app/graph-queries.js";
export {
  type ImageOptions,
  type ImageResult,
  image,
} from "./app/image.js";
export { type InstallOptions, type InstallResult, install } from "./app/install.js";
export {
  type GeneratedKey,
  type GenerateKeyOptions,
  generateKey,
  type KeyType,
  keyTypes,
  listKeys,
  type PublicKeyResult,
  publicKey,
  type TrustedParty,
} from "./app/key.js";
export { type LoadOptions, type LoadResult, load, type Shell, shells } from "./app/load.js";
export { location } from "./app/location.js";
export {
  addMirror,
  listMirrors,
  type MirrorEdit,
  removeMirror,
  setMirror,
} from "./app/mirror.js";
export { type PruneMirrorOptions, type PruneMirrorResult, pruneMirror } from "./app/prune.js";
export { type PushOptions, type PushResult, push } from "./app/push.js";
export { type RebaseOptions, type RebaseResult, rebase } from "./app/rebase.js";
export { type ReferrersResult, referrers } from "./app/referrers.js";
export { type SbomOptions, type SbomResult, sbom } from "./app/sbom.js";
export { type AttachSbomsOptions, type AttachSbomsResult, attachSboms } from "./app/sbom-attach.js";
export {
  checkRegistry,
  collectRegistry,
  type Served,
  type ServeOptions,
  serve,
} from "./app/serve.js";
export { type SignedTag, type SignOptions, type SignResult, sign } from "./app/sign.js";
export {
  type CheckedManifest,
  type SignatureReport,
  type SignedBy,
  type VerifySignaturesOptions,
  verifySignatures,
} from "./app/signature.js";
export { parseSignatureFormats, type SigningOptions } from "./app/signing.js";
export { type StoreCheckOptions, type StoreCheckResult, storeCheck } from "./app/store-check.js";
export {
  type CollectOptions,
  collect,
  type UninstallOptions,
  type UninstallResult,
  uninstall,
} from "./app/uninstall.js";
export {
  type CheckedMirror,
  type CheckOptions,
  type CheckResult,
  checkMirrors,
} from "./app/buildcache-check.js";
export { type CheckedIndex, type CheckIndexOptions, checkIndex } from "./app/check-index.js";
export { type Downloaded, type DownloadOptions, download, saveSpecFiles } from "./app/download.js";
export { type MigrateOptions, migrate } from "./app/migrate.js";
export { type CopiedPackage, type SyncOptions, type SyncResult, sync } from "./app/sync.js";
export { type VerifiedPackage, verify } from "./app/verify.js";
export {
  compareVersionTexts,
  matchVersionTexts,
  type ResolvedVersion,
  resolveVersionText,
  type VersionComparison,
  type VersionMatch,
} from "./app/version.js";
export {
  type ViewRemoveOptions,
  type ViewRemoveResult,
  type ViewStatus,
  viewRemove,
  viewStatus,
} from "./app/view-contents.js";
export { type ViewMethod, type ViewOptions, type ViewResult, view, viewMethods } from "./app/view.js";
export { exitCodes, Failure, type FailureDocument, type FailureKind } from "./base/failure.js";
export type { ProgressEvent, Report, Task } from "./base/progress.js";
export type { BrokenPackage, IndexResult } from "./buildcache/index-update.js";
export type { Access, Connection, Direction, Mirror } from "./config/mirror.js";
export type { AccessChange, MirrorChange } from "./config/mirror-change.js";
export type { ImageSettings } from "./image/compose.js";
export type { FailedPackage, PackageName, PushedPackage } from "./push/run.js";
export type { GpgKey } from "./trust/gpg-key.js";
export type { OpenPgpSigner } from "./trust/openpgp.js";
export type { ConcreteSpec, Dependency, DependencyType, SpecGraph } from "./spec/concrete-spec.js";
export type { DagHash } from "./spec/dag-hash.js";
