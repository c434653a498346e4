// The direction of imports, as data. A folder may import from the folders and outside modules listed
// here, and from itself; nothing else. `node scripts/check-imports.mjs` checks it, file by file.

/** @type {Record<string, { may: string[], outside?: string[], why: string }>} */
export const folders = {
  base: {
    may: [],
    outside: [],
    why: "knows nothing of OCI or Spack: failures, calls, bytes, progress, limits",
  },
  version: {
    may: ["base"],
    outside: [],
    why: "Spack's versions, without any input or output; runs in a browser",
  },
  oci: {
    may: ["base"],
    outside: ["node:crypto", "valibot"],
    why: "the OCI specs as types and pure functions, and the ports of a registry",
  },
  archive: {
    may: ["base"],
    outside: ["node:buffer", "node:crypto", "node:zlib", "yaml"],
    why: "a tree as bytes: reproducible pack, hostile unpack, parallel gzip",
  },
  relocate: {
    may: ["base"],
    outside: ["node:crypto"],
    why: "pure functions over bytes: text, links, C strings, ELF, Mach-O",
  },
  spec: {
    may: ["base", "version"],
    outside: ["node:crypto"],
    why: "concrete and abstract specs, DAG hash, query, microarchitectures",
  },
  store: {
    may: ["base", "version", "spec", "archive"],
    outside: ["node:crypto"],
    why: "the install tree as a port: layout, database codec, staging",
  },
  view: {
    may: ["base", "version", "spec", "archive", "relocate"],
    outside: ["node:buffer"],
    why: "one directory of many packages: plan, conflicts, links and copies",
  },
  environment: {
    may: ["base", "version", "spec"],
    outside: [],
    why: "what a prefix adds to PATH and friends, as data",
  },
  config: {
    may: ["base"],
    outside: ["node:path", "yaml"],
    why: "Spack's configuration scopes as values: merge, shapes, edit",
  },
  trust: {
    may: ["base", "oci"],
    outside: ["node:crypto", "@noble/ciphers", "valibot"],
    why: "the port Verifier: signatures, policy, SBOM, attestations",
  },
  sbom: {
    may: ["base", "version", "oci", "spec", "trust"],
    outside: ["node:crypto", "valibot"],
    why: "bills of materials: SPDX and CycloneDX made of specs, and attached to manifests",
  },
  buildcache: {
    may: ["base", "version", "oci", "spec", "archive", "store", "config", "trust"],
    outside: ["node:crypto", "valibot"],
    why: "what a pushed package is: entry, tag, manifest, index",
  },
  image: {
    may: ["base", "version", "oci", "spec", "archive", "relocate", "buildcache", "environment"],
    outside: ["node:crypto"],
    why: "runnable images from entries: base image, compose, layer cap, the check that they run",
  },
  push: {
    may: [
      "base",
      "version",
      "oci",
      "spec",
      "archive",
      "store",
      "config",
      "trust",
      "buildcache",
      "environment",
      "image",
    ],
    outside: [],
    why: "plan (specs to what is new) and run (pack, upload, manifests, index)",
  },
  install: {
    may: ["base", "version", "oci", "spec", "archive", "relocate", "store", "config", "trust", "buildcache"],
    outside: ["node:crypto"],
    why: "plan (roots to data) and installer (fetch, verify, unpack, relocate, commit)",
  },
  server: {
    may: ["base", "oci"],
    outside: ["node:crypto", "bcryptjs"],
    why: "the embedded registry: request to response",
  },
  "io/http-client": {
    may: ["base", "oci"],
    outside: ["undici", "node:*"],
    why: "pools, retry, login: shared by what speaks HTTP",
  },
  "io/disk": { may: ["base"], outside: ["node:*"], why: "atomic files: shared by what writes files" },
  "io/system": {
    may: ["base", "archive"],
    outside: ["node:*"],
    why: "clock, random numbers, synchronous files",
  },
  "io/registry": {
    may: ["base", "oci", "io/http-client", "io/disk"],
    outside: ["undici", "node:*"],
    why: "a remote registry over HTTP; an OCI layout on disk",
  },
  "io/url-mirror": {
    may: ["base", "oci", "buildcache", "io/http-client", "io/disk"],
    outside: ["aws4fetch", "node:*"],
    why: "mirrors that are no registry: a directory, a web site, an S3 bucket",
  },
  "io/server": {
    may: ["base", "oci", "server", "io/disk"],
    outside: ["node:*"],
    why: "sockets and storage for the embedded registry",
  },
  "io/store": {
    may: ["base", "version", "spec", "archive", "store", "io/disk"],
    outside: ["node:*", "koffi"],
    why: "install trees on disk, with Spack's locks",
  },
  "io/install": {
    may: ["base", "oci", "archive", "store", "install", "io/disk", "io/system"],
    outside: ["node:*"],
    why: "what an install needs of this machine: the blob cache, files to patch",
  },
  "io/git": {
    may: ["base", "version", "io/disk"],
    outside: ["node:*"],
    why: "ref lookup for git versions by running git",
  },
  "io/gpg": {
    may: ["base", "trust", "io/disk"],
    outside: ["openpgp", "node:*"],
    why: "OpenPGP signatures, by the library and by the program gpg; keyrings",
  },
  "io/host": {
    may: ["base", "spec"],
    outside: ["node:*"],
    why: "what this machine is: microarchitecture, libc",
  },
  "io/credentials": {
    may: ["base", "oci", "io/http-client", "io/disk"],
    outside: ["node:*"],
    why: "docker's and podman's logins and credential helpers",
  },
  "io/trust": {
    may: ["base", "oci", "trust", "io/disk"],
    outside: ["node:*"],
    why: "what was verified on this machine, and the newest indices seen",
  },
  "io/sigstore": {
    may: ["base", "oci", "trust"],
    outside: ["@sigstore", "node:*"],
    why: "certificates, logs and time stamps, by the sigstore libraries",
  },
  "io/workers": {
    may: [
      "base",
      "archive",
      "relocate",
      "store",
      "install",
      "image",
      "push",
      "io/disk",
      "io/system",
      "io/install",
    ],
    outside: ["node:*", "koffi"],
    why: "threads for the hot loops: pack, unpack, relocate, look into layers",
  },
  "io/config": {
    may: ["base", "config", "io/disk"],
    outside: ["node:*"],
    why: "configuration scopes read from disk and written back",
  },
  app: {
    may: ["*"],
    outside: ["node:*"],
    why: "composition root: the one place that knows every implementation",
  },
  action: {
    may: ["app", "base"],
    outside: ["node:*"],
    why: "the GitHub Action: restore before a job's steps, push after them",
  },
  cli: {
    may: ["app", "base", "version", "spec", "config"],
    outside: ["commander", "node:*"],
    why: "parse, call, render; one file a command",
  },
};

/** Where the outside world may be touched without a port. */
export const mayTouchTheWorld = (folder) =>
  ["app", "action", "cli"].includes(folder) || folder.startsWith("io/");
