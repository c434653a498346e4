// Checks the import rule (scripts/import-rule.mjs): folders, outside modules, cycles between files (type
// imports counted), barrels, and globals that need a port. --write-docs renews the graph in docs/.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { folders, mayTouchTheWorld } from "./import-rule.mjs";
import { root } from "./run.mjs";

const source = join(root, "src");
const barrels = new Set(["index.ts", "version/index.ts"]);
const worldly =
  /(?<![.\w$])(fetch\(|process\.|console\.|setTimeout\(|setInterval\(|Date\.now\(|new Date\(\)|Math\.random\()/g;
const worldlyModules = new Set([
  "node:fs",
  "node:fs/promises",
  "node:child_process",
  "node:net",
  "node:http",
  "node:https",
  "node:os",
]);

const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .sort();
const problems = [];
const graph = new Map();

/** The folder that the rule speaks of: `io/registry`, `oci`, or "" for src/index.ts. */
function folderOf(file) {
  const parts = file.split("/");
  if (parts.length === 1) return "";
  return parts[0] === "io" ? `${parts[0]}/${parts[1]}` : parts[0];
}

/** Blanks comments and the contents of strings, keeps the length and import specifiers' places. */
function code(text) {
  return text.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g,
    (found) => found[0] + found.slice(1, -1).replace(/[^\n]/g, " ") + (found.length > 1 ? found.at(-1) : ""),
  );
}

function importsOf(text) {
  const found = [];
  const statement =
    /(?:^|[\s;}])(?:import|export)\s(?:[^"'`;]*?\sfrom\s*)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/g;
  const plain = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/[^\n]*/gm, (c) => c.replace(/[^\n]/g, " "));
  for (const match of plain.matchAll(statement)) found.push(match[1] ?? match[2]);
  return found;
}

const matches = (allowed, module) =>
  allowed.some(
    (name) =>
      name === module || (name === "node:*" && module.startsWith("node:")) || module.startsWith(`${name}/`),
  );

for (const file of files) {
  const folder = folderOf(file);
  const rule = folder === "" ? { may: ["*"], outside: [] } : folders[folder];
  const isTest = file.endsWith(".test.ts");
  if (rule === undefined) {
    problems.push(`src/${file}: folder "${folder}" is not in scripts/import-rule.mjs`);
    continue;
  }
  const text = readFileSync(join(source, file), "utf8");
  const edges = [];
  for (const name of importsOf(text)) {
    if (!name.startsWith(".")) {
      if (!isTest && !matches(rule.outside ?? [], name))
        problems.push(`src/${file}: ${folder} may not import ${name}`);
      if (!isTest && folder !== "" && !mayTouchTheWorld(folder) && worldlyModules.has(name))
        problems.push(`src/${file}: ${name} is the outside world; take a port`);
      continue;
    }
    if (!name.endsWith(".js") && !name.endsWith(".json"))
      problems.push(`src/${file}: relative import "${name}" must end in .js`);
    const target = normalize(join(dirname(file), name)).replace(/\.js$/, ".ts");
    if (target.startsWith("..")) {
      if (!isTest) problems.push(`src/${file}: imports ${name}, outside src/`);
      continue;
    }
    edges.push(target);
    if (isTest) continue;
    if (barrels.has(target) && file !== "index.ts")
      problems.push(`src/${file}: imports the barrel src/${target}; import the file itself`);
    const to = folderOf(target);
    if (to !== folder && !rule.may.includes("*") && !rule.may.includes(to))
      problems.push(`src/${file}: ${folder} may not import ${to} (${relative(dirname(file), target)})`);
    if ((to === "cli" || to === "action") && folder !== to)
      problems.push(`src/${file}: nothing imports ${to}`);
  }
  graph.set(file, edges);
  if (!isTest && folder !== "" && !mayTouchTheWorld(folder))
    for (const match of code(text).matchAll(worldly))
      problems.push(
        `src/${file}:${text.slice(0, match.index).split("\n").length}: ${match[1]} is the outside world; take a port`,
      );
}

// The command line and the action use only what the library offers.
const offered = readFileSync(join(source, "index.ts"), "utf8");
for (const file of files.filter((name) => /^(cli|action)\//.test(name) && !name.endsWith(".test.ts"))) {
  const text = readFileSync(join(source, file), "utf8");
  for (const [, names] of text.matchAll(/import \{([^}]*)\} from "(?:\.\.\/)+app\/[\w-]+\.js"/g))
    for (const name of names
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "" && !part.startsWith("type ")))
      if (!new RegExp(`\\b${name}\\b`).test(offered))
        problems.push(`src/${file}: uses ${name}, which src/index.ts does not export`);
}

const state = new Map();
const visit = (file, path) => {
  if (state.get(file) === "done") return;
  if (state.get(file) === "open") {
    problems.push(`cycle: ${[...path.slice(path.indexOf(file)), file].map((f) => `src/${f}`).join(" -> ")}`);
    return;
  }
  state.set(file, "open");
  for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
  state.set(file, "done");
};
for (const file of graph.keys()) visit(file, []);

/** The table and the graph of docs/architecture.md, as the rule has them. */
function drawn() {
  const used = (name) => files.some((file) => folderOf(file) === name);
  const rows = Object.entries(folders).map(([name, { may, outside = [], why }]) => {
    const list = (names) => (names.length === 0 ? "nothing" : names.map((n) => `\`${n}\``).join(" "));
    return `| \`${name}\` | ${why} | ${may.includes("*") ? "all but `action` and `cli`" : list(may)} | ${list(outside)} |`;
  });
  const direct = new Map();
  for (const [file, edges] of graph) {
    if (file.endsWith(".test.ts")) continue;
    for (const target of edges) {
      const [from, to] = [folderOf(file), folderOf(target)];
      if (from !== to && from !== "" && from !== "app")
        direct.set(from, (direct.get(from) ?? new Set()).add(to));
    }
  }
  const arrows = [...direct]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([from, tos]) => {
      // An edge that a longer path implies is left out: the picture shows the order, the table every right.
      const reach = (start, goal, seen = new Set()) =>
        [...(direct.get(start) ?? [])].some(
          (n) => n === goal || (!seen.has(n) && reach(n, goal, seen.add(n))),
        );
      return [...tos]
        .sort()
        .filter((to) => ![...tos].some((via) => via !== to && reach(via, to)))
        .map((to) => `  ${from.replace("/", "_")}["${from}"] --> ${to.replace("/", "_")}["${to}"]`);
    });
  return [
    "<!-- generated: npm run docs -->",
    "| folder | what it is | may import | outside modules |",
    "|---|---|---|---|",
    ...rows.filter((_, i) => used(Object.keys(folders)[i])),
    "",
    "```mermaid",
    "graph TD",
    ...arrows,
    "```",
    "<!-- end -->",
  ].join("\n");
}

const page = join(root, "docs/architecture.md");
const region = /<!-- generated: npm run docs -->[\s\S]*?<!-- end -->/;
const text = readFileSync(page, "utf8");
const renewed = text.replace(region, () => drawn());
if (process.argv.includes("--write-docs")) writeFileSync(page, renewed);
else if (renewed !== text) problems.push("docs/architecture.md: the folder graph is old; run `npm run docs`");

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.error(`imports: ${files.length} files follow the rule`);
