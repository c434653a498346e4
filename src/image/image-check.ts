import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import type { Environment } from "../environment/environment.js";
import { type BaseImage, contentsOf } from "./base-image.js";
import { createImageTree, type ImageTree, type TreeElf } from "./image-tree.js";
import type { LayerContent, LayerTools } from "./layer-tools.js";

/** A package's layer. */
export interface OwnedLayer {
  /** For messages: `greet@2.1.0/fnjwovn`. */
  readonly owner: string;
  readonly content: LayerContent;
}

export interface RunCheck extends Call {
  readonly base?: BaseImage | undefined;
  readonly tools: LayerTools;
  readonly platform: { readonly architecture: string };
  readonly environment: Environment;
  /** Look only at programs and libraries of these packages, and at what they load. */
  readonly owners?: ReadonlySet<string> | undefined;
  /** Packages that came from outside of Spack, so have no layers: `openssl`. */
  readonly externals?: readonly string[] | undefined;
}

/** Layers looked into at once; the threads have their own limit. */
const scansAtOnce = 4;

/**
 * Looks up what the packages' programs and libraries need, in their layers and the base's.
 * @throws Failure `image.not-runnable`
 */
export async function assertRuns(
  subject: string,
  packages: readonly OwnedLayer[],
  { base, tools, platform, environment, owners, externals = [], ...call }: RunCheck,
): Promise<void> {
  const inBase = (base === undefined ? [] : contentsOf(base)).map((content) => ({
    content,
    owner: undefined,
  }));
  const layers = await mapLimited([...inBase, ...packages], scansAtOnce, async ({ content, owner }) => ({
    owner,
    scan: await tools.scan(content, call),
  }));
  const missing = findMissing(createImageTree(layers), {
    architecture: platform.architecture,
    libraryPath: environment.get("LD_LIBRARY_PATH"),
    owners,
  });
  if (missing.length > 0) throw notRunnable(subject, missing, { base, externals });
}

/** Something that a program or library of an image needs, and that the image does not have. */
export interface Missing {
  /** The package whose file needs it. */
  readonly package: string;
  /** Path in the image. */
  readonly file: string;
  readonly kind: "library" | "version" | "loader";
  /** `libc.so.6`, `GLIBC_2.34`, `/lib64/ld-linux-x86-64.so.2` */
  readonly name: string;
  /** Of a version: the library that should have it. */
  readonly library?: string | undefined;
  /** Of a library: the versions of symbols that it should have. */
  readonly versions?: readonly string[] | undefined;
}

export interface CheckOptions {
  /** As OCI names it; files for other processors are data. */
  readonly architecture: string;
  /** `LD_LIBRARY_PATH` of the image. */
  readonly libraryPath?: string | undefined;
  /** Look only at programs and libraries of these packages, and at what they load. */
  readonly owners?: ReadonlySet<string> | undefined;
}

/** e_machine of OCI's architectures. */
const machines: Readonly<Record<string, number>> = {
  "386": 3,
  ppc64le: 21,
  s390x: 22,
  arm: 40,
  amd64: 62,
  arm64: 183,
  riscv64: 243,
  loong64: 258,
};

/** Container runtimes bring these from the host, with the driver that they belong to. */
const ofTheDriver = /^lib(cuda|nvidia-[\w-]+)\.so(\.|$)/;

/** Debian's directories for libraries of each architecture, which its loader knows by itself. */
const multiarch: Readonly<Record<string, string>> = {
  amd64: "x86_64-linux-gnu",
  arm64: "aarch64-linux-gnu",
  "386": "i386-linux-gnu",
  arm: "arm-linux-gnueabihf",
  ppc64le: "powerpc64le-linux-gnu",
  s390x: "s390x-linux-gnu",
  riscv64: "riscv64-linux-gnu",
};

/**
 * What is missing for the packages' programs to start, as the loader would find out (ld.so(8)): for each program the
 * libraries that it and they need, and the versions of symbols.
 *
 * A library that no program of the image loads by itself (a plugin, an extension module) may find its own libraries
 * loaded already, by whoever loads it: it misses only what is nowhere in the image.
 */
export function findMissing(tree: ImageTree, options: CheckOptions): readonly Missing[] {
  const { architecture, owners } = options;
  const machine = machines[architecture];
  const mine = tree.elf.filter(
    (elf) =>
      elf.owner !== undefined &&
      (owners === undefined || owners.has(elf.owner)) &&
      (machine === undefined || elf.machine === machine),
  );
  const loader = createLoader(tree, options);
  for (const elf of mine) if (elf.interpreter !== undefined) loader.start(elf);
  for (const elf of mine) if (elf.interpreter === undefined && !loader.loaded.has(elf)) loader.open(elf);
  return loader.missing;
}

interface Loader {
  /** Everything that was loaded by any program. */
  readonly loaded: ReadonlySet<TreeElf>;
  readonly missing: readonly Missing[];
  /** Starts a program. */
  start(program: TreeElf): void;
  /** Opens a library that an unknown program is going to load. */
  open(library: TreeElf): void;
}

function createLoader(tree: ImageTree, { architecture, libraryPath = "" }: CheckOptions): Loader {
  const loaded = new Set<TreeElf>();
  const missing: Missing[] = [];
  const known = new Set<string>();
  const system = systemPaths(tree, architecture);
  const inEnvironment = libraryPath.split(":").filter((path) => path !== "");
  const byName = new Map(
    tree.elf.flatMap((elf) =>
      [elf.soname, elf.path.slice(elf.path.lastIndexOf("/") + 1)].map((name) => [name, elf]),
    ),
  );

  const note = (elf: TreeElf, what: Omit<Missing, "package" | "file">): void => {
    const key = [elf.path, what.kind, what.name].join("\0");
    if (known.has(key)) return;
    known.add(key);
    missing.push({ package: elf.owner ?? "the base image", file: elf.path, ...what });
  };

  const fits = (found: TreeElf | undefined, by: TreeElf): found is TreeElf =>
    found !== undefined && found.machine === by.machine && found.bits === by.bits;

  /** @param rpaths those of the object and of what loaded it, up to the program */
  const search = (name: string, by: TreeElf, rpaths: readonly string[]): TreeElf | undefined => {
    if (name.includes("/")) {
      const found = tree.find(atOrigin(name, by));
      return fits(found, by) ? found : undefined;
    }
    const own = by.runpath.map((path) => atOrigin(path, by));
    for (const directory of [...rpaths, ...inEnvironment, ...own, ...system]) {
      const found = tree.find(`${directory}/${name}`);
      if (fits(found, by)) return found;
    }
    return undefined;
  };

  const checkVersions = (elf: TreeElf, name: string, library: TreeElf): void => {
    // Of a library without versions any will do, as for the loader.
    if (library.versionsDefined.length === 0) return;
    for (const version of elf.versionsNeeded.get(name) ?? [])
      if (!library.versionsDefined.includes(version))
        note(elf, { kind: "version", name: version, library: name });
  };

  /** Breadth first, as the loader does; what is loaded once is there for all that come later. */
  const load = (root: TreeElf, { lenient }: { lenient: boolean }): void => {
    const here = new Map<string, TreeElf>();
    const queue: { elf: TreeElf; rpaths: readonly string[] }[] = [{ elf: root, rpaths: [] }];
    for (const { elf, rpaths } of queue) {
      loaded.add(elf);
      // Where an object has a DT_RUNPATH its own DT_RPATH is not looked at, nor its loaders' for what it needs itself.
      const inherited =
        elf.runpath.length > 0 ? rpaths : [...elf.rpath.map((path) => atOrigin(path, elf)), ...rpaths];
      const searched = elf.runpath.length > 0 ? [] : inherited;
      for (const name of elf.needed) {
        const before = here.get(name);
        const found = before ?? search(name, elf, searched) ?? (lenient ? byName.get(name) : undefined);
        if (!fits(found, elf)) {
          if (!ofTheDriver.test(name))
            note(elf, { kind: "library", name, versions: elf.versionsNeeded.get(name) });
          continue;
        }
        checkVersions(elf, name, found);
        if (before !== undefined) continue;
        here.set(name, found);
        if (found.soname !== undefined) here.set(found.soname, found);
        queue.push({ elf: found, rpaths: inherited });
      }
    }
  };

  return {
    loaded,
    missing,
    start(program) {
      if (program.interpreter !== undefined && tree.find(program.interpreter) === undefined)
        note(program, { kind: "loader", name: program.interpreter });
      load(program, { lenient: false });
    },
    open: (library) => load(library, { lenient: true }),
  };
}

/** Where the loader looks last. */
function systemPaths(tree: ImageTree, architecture: string): readonly string[] {
  const triplet = multiarch[architecture];
  const own = ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"];
  const debian = triplet === undefined ? [] : [`/lib/${triplet}`, `/usr/lib/${triplet}`];
  return [...new Set([...tree.libraryPaths, ...debian, ...own])];
}

/** Replaces `$ORIGIN`, the directory of the file. */
const atOrigin = (path: string, { path: file }: TreeElf): string =>
  path.replace(/\$(ORIGIN\b|\{ORIGIN\})/g, file.slice(0, file.lastIndexOf("/")));

/** Findings that a message lists; the others are counted. */
const mostListed = 12;

/** The failure of an image that would not run, with what to do about it. */
function notRunnable(subject: string, missing: readonly Missing[], around: Surroundings): Failure {
  const lines = missing
    .slice(0, mostListed)
    .map(
      ({ package: owner, file, name, library }) =>
        `\n  ${owner}: ${file} needs ${name}${library === undefined ? "" : ` of ${library}`}`,
    );
  const more = missing.length > mostListed ? `\n  and ${missing.length - mostListed} more` : "";
  return new Failure("unsupported", `${subject} would not run:${lines.join("")}${more}`, {
    code: "image.not-runnable",
    subject,
    hint: `${hintFor(missing, around)} --no-check writes the image all the same.`,
  });
}

interface Surroundings {
  readonly base: { readonly label: string } | undefined;
  readonly externals: readonly string[];
}

function hintFor(missing: readonly Missing[], { base, externals }: Surroundings): string {
  const newest = newestGlibc(missing);
  const wanted = newest === undefined ? "" : ` ${newest} or newer`;
  const lacksLibc = missing.some(({ kind, name }) => kind === "loader" || name === "libc.so.6");
  if (base === undefined && lacksLibc)
    return "Without a base image there is no libc: give one with --base-image, such as debian:12.";
  if (lacksLibc) return `The base image ${base?.label} has no glibc: choose one with glibc${wanted}.`;
  if (newest !== undefined && missing.some(({ kind }) => kind === "version"))
    return `The glibc of ${base?.label ?? "the image"} is too old: choose a base image with glibc${wanted}.`;
  if (externals.length > 0)
    return `Choose a base image that has what came from outside of Spack: ${externals.join(", ")}.`;
  return "Choose a base image that has it, or push the package that does.";
}

function newestGlibc(missing: readonly Missing[]): string | undefined {
  const versions = missing
    .flatMap(({ name, versions: wanted = [] }) => [name, ...wanted])
    .flatMap((name) => /^GLIBC_(\d+\.\d+)/.exec(name)?.[1] ?? []);
  const rank = (version: string): number => {
    const [major = 0, minor = 0] = version.split(".").map(Number);
    return major * 1000 + minor;
  };
  return versions.sort((a, b) => rank(b) - rank(a))[0];
}
