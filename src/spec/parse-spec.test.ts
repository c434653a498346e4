import fc from "fast-check";
import { expect, test } from "vitest";
import { Failure } from "../base/failure.js";
import { formatSpec } from "./abstract-spec.js";
import { parseSpec, parseSpecs } from "./parse-spec.js";
import { intersects, satisfies } from "./satisfies.js";

const runs = process.env["STOWAGE_SOAK"] ? 50_000 : 500;

/** None or one of each of these parts, in any order. */
const parts = (...arbitraries: readonly fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
  fc
    .tuple(fc.shuffledSubarray([...arbitraries.keys()]), fc.tuple(...arbitraries))
    .map(([order, texts]) => order.map((index) => texts[index]).join(" "));
const oneOf = (...texts: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...texts);

const version = oneOf(
  "1",
  "1.2",
  "=1.2.3",
  "1.2:",
  ":1.4",
  "1.2:1.4",
  "1,2.5:",
  "develop",
  "git.main=1.3",
  "1.2-rc1",
);
const nodeParts = [
  version.map((text) => `@${text}`),
  oneOf("+pic", "~pic", "++pic", " pic=True", " pic=foo"),
  oneOf("+shared", "~~shared"),
  oneOf(" mode=a", " mode=b,a", " mode:=a,b", " mode=*", " mode==a", " mode='a b'", ' mode="it\'s"'),
  oneOf(" cflags=-O2", " cflags='-O2 -g'", " cflags==-g", " ldlibs='-la -lb'"),
  oneOf(" os=debian12", " os=rhel9"),
  oneOf(" target=x86_64", " target=zen2:", " target=:zen4", " target=haswell:skylake,zen"),
  oneOf("/abc", "/abcd", "/b"),
];
const edges = (sigils: readonly string[], ...names: readonly string[]): readonly fc.Arbitrary<string>[] =>
  names.map((name) =>
    fc
      .tuple(
        oneOf(...sigils),
        oneOf("", "[deptypes=build] ", "[virtuals=mpi] ", "[when=+pic] ", "c="),
        parts(...nodeParts),
      )
      .map(([sigil, attributes, node]) => ` ${sigil}${attributes}${name}${node}`),
  );
const specText = fc
  .tuple(
    oneOf("zlib", "builtin.zlib", "hdf5", ""),
    parts(...nodeParts),
    parts(...edges(["^", "%", "%%"], "gcc", "llvm", "foo")),
  )
  .map((texts) => texts.join(" "));
const wildText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({
    unit: oneOf(..."az09_-.@=:+~%^/,* []'\"\\\n", "git.", "when=", "==", "%%[", ".json"),
    maxLength: 40,
  }),
  fc
    .tuple(specText, fc.string({ unit: "grapheme", maxLength: 3 }), fc.nat(30))
    .map(([text, noise, at]) => text.slice(0, at) + noise + text.slice(at)),
);

function failureOf(text: string): Failure {
  try {
    parseSpecs(text);
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error(`"${text}" was read`);
}

test("an error has carets under its place", () => {
  expect(failureOf("zlib@1.2 ^bzip2 @").message).toBe(
    'Cannot read spec: nothing in a spec starts with "@"\n  zlib@1.2 ^bzip2 @\n                  ^',
  );
  expect(failureOf("zlib+pic~pic").message).toBe(
    "Cannot read spec: the variant pic is given twice\n  zlib+pic~pic\n          ^^^^",
  );
  const long = failureOf(`${"a".repeat(500)} =${" b".repeat(500)}`);
  expect(long.code).toBe("spec.syntax");
  const [, line, carets] = long.message.split("\n");
  expect(line?.[carets?.indexOf("^") ?? -1]).toBe("=");
  expect(line?.length).toBeLessThan(140);
});

test("a condition is read as a spec of its own", () => {
  expect(formatSpec(parseSpec("a ^[virtuals=mpi when='+mpi ^hwloc'] b@2"))).toBe(
    "a ^[when='+mpi ^hwloc'] mpi=b@2",
  );
  expect(failureOf("a ^[when=''] b").code).toBe("spec.syntax");
});

test("of the words in [ ] that are given twice, the last counts", () => {
  expect(formatSpec(parseSpec("a ^[deptypes=some when='@' deptypes=link when=+x] b"))).toBe(
    "a ^[when='+x' deptypes=link] b",
  );
  expect(failureOf("a ^[deptypes=link deptypes=some] b").message).toContain('"some" is not one of build');
});

test("a switch of the architecture is what Spack takes it for", () => {
  expect(formatSpec(parseSpec("zlib ~os ~target"))).toBe("zlib");
  expect(formatSpec(parseSpec("zlib platform=linux ~os"))).toBe("zlib platform=linux os=False");
  expect(failureOf("zlib +target").code).toBe("spec.syntax");
});

test("a dependency under a condition is there where the condition only names the package", () => {
  const satisfied = (condition: string) =>
    satisfies(parseSpec(`a %[when='${condition}'] b`), parseSpec("a %b"));
  expect(satisfied("a")).toBe(true);
  expect(satisfied("a+x")).toBe(false);
});

test("a name of a file is refused, as files are read elsewhere", () => {
  expect(failureOf("./zlib.json").message).toContain("files are not read here");
});

test("what is printed reads as what was printed", () => {
  fc.assert(
    fc.property(specText, (text) => {
      const printed = formatSpec(parseSpec(text));
      expect(formatSpec(parseSpec(printed))).toBe(printed);
    }),
    { numRuns: runs },
  );
});

test("a spec satisfies itself, and specs that satisfy intersect", () => {
  // As in Spack, not where something is propagated, which may contradict a dependency, or is asked for under a condition.
  const text = specText.filter((candidate) => !/\+\+|~~|==|when/.test(candidate));
  fc.assert(
    fc.property(text, text, (a, b) => {
      const [left, right] = [parseSpec(a), parseSpec(b)];
      expect(satisfies(left, left)).toBe(true);
      if (satisfies(left, right)) expect(intersects(left, right)).toBe(true);
      expect(intersects(left, right)).toBe(intersects(right, left));
    }),
    { numRuns: runs },
  );
});

test("text of any kind is read or refused, and nothing else", () => {
  fc.assert(
    fc.property(wildText, (text) => {
      try {
        parseSpecs(text);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        expect(["spec.syntax", "version.invalid", "version.empty-range"]).toContain(error.code);
      }
    }),
    { numRuns: runs * 4 },
  );
});

/** How much more of the processor ten times the text takes, the best of some tries. */
function slowdown(text: (size: number) => string, size: number): number {
  const milliseconds = (content: string): number => {
    // Not the clock: it counts what others do on this machine.
    const start = process.cpuUsage();
    try {
      parseSpecs(content);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  };
  const [short, long] = [text(size), text(10 * size)];
  let [small, large] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let tries = 0; tries === 0 || (tries < 10 && large > 5 && large / small > 25); tries++) {
    small = Math.min(small, milliseconds(short));
    large = Math.min(large, milliseconds(long));
  }
  // Within some milliseconds the clock and the collector are what is measured.
  return large > 5 ? large / small : 0;
}

// Where time grows with the square of the text, ten times the text takes a hundred times as long.
test("ten times the text takes about ten times as long", () => {
  const pieces = [
    "a",
    "/a",
    "1.",
    "-a",
    "a.",
    "@1",
    " a",
    "a,",
    "+a ",
    "^",
    "^a",
    " %a=b",
    "a/",
    "'",
    "\\'",
    "[",
    ":",
    " ",
    "~~",
  ];
  pieces.push(".json", ",1:2", "@1:2,", "@1.-", " %a+b ^", "^[when=+a]b");
  for (const piece of pieces)
    for (const start of ["", "@", "a=", "^[when=", "a='", "@1:", "%", "a^b+c@1:"])
      expect(
        slowdown((size) => start + piece.repeat(size / piece.length), 2_000),
        `${start}${piece}…`,
      ).toBeLessThan(50);
});

test("thousands of different words take no more than their share of time", () => {
  for (const word of [
    "+v#",
    " ^p#",
    " %v#=p",
    " v#=a",
    " ^p+v#",
    " ^[when=+v#]p",
    " p#",
    ",#",
    "/v#",
    " cflags=-v#",
  ]) {
    const text = (count: number) =>
      `a@0${Array.from({ length: count }, (_, i) => word.replace("#", `${i}`)).join("")}`;
    expect(slowdown(text, 500), word).toBeLessThan(50);
  }
});
