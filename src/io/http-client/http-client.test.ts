import { expect, test } from "vitest";
import type { Clock } from "../../base/clock.js";
import { parseChallenges } from "./challenge.js";
import { createHost } from "./host.js";
import { assertReachable, resolveLocation } from "./origin.js";
import { proxyFor } from "./proxy.js";
import { parseRetryAfter } from "./retry-after.js";
import { mergeScopes } from "./token-service.js";
import { createTries, TransientFailure } from "./tries.js";

/** A clock that only moves when it is slept on. */
function stepClock(): Clock & { readonly slept: number[] } {
  let now = 0;
  const slept: number[] = [];
  return {
    slept,
    now: () => now,
    async sleep(ms) {
      slept.push(ms);
      now += ms;
    },
  };
}

test.each([
  ["120", "", 120_000],
  ["0.25", "", 250],
  ["Sun, 22 Nov 2026 10:00:10 GMT", "", 10_000],
  ["Sun, 22 Nov 2026 09:00:00 GMT", "", 0],
  [
    undefined,
    '{"errors":[{"code":"TOOMANYREQUESTS","message":"retry-after: 812.345µs, allowed: 44000/minute"}]}',
    0.812345,
  ],
  [undefined, "toomanyrequests: retry-after: 1m1.5s", 61_500],
  [undefined, '{"retry_after": 2}', 2000],
  [undefined, "no word of it", undefined],
  ["soon", "", undefined],
])("Retry-After %j with body %j is %s ms", (header, body, wait) => {
  const now = Date.UTC(2026, 10, 22, 10, 0, 0);
  const found = parseRetryAfter(header, { body, now });
  if (wait === undefined) expect(found).toBeUndefined();
  else expect(found).toBeCloseTo(wait, 6);
});

test("challenges of any number are told apart, whatever their case", () => {
  const read = (header: string) =>
    parseChallenges(header)?.map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
  expect(read('BASIC Realm="a, b", bEaReR realm="https://x/t?a=b",service=s')).toEqual([
    ["basic", { realm: "a, b" }],
    ["bearer", { realm: "https://x/t?a=b", service: "s" }],
  ]);
  expect(read('Bearer realm="a",')).toEqual([["bearer", { realm: "a" }]]);
  expect(read("Negotiate YWJj=, Basic , realm=x,REALM=y")).toEqual([
    ["negotiate", {}],
    ["basic", { realm: "x" }],
  ]);
  for (const malformed of [
    'realm="x"',
    "Basic, realm=x",
    "Basic realm=https://x/y",
    "Bearer realm=a service=b",
  ])
    expect(read(malformed)).toBeUndefined();
});

test("scopes for one resource become one", () => {
  expect(mergeScopes(["repository:a:pull"], ["repository:a:push,pull", "repository:b/c:pull"])).toEqual([
    "repository:a:pull,push",
    "repository:b/c:pull",
  ]);
});

test.each([
  ["https://h/x", "/y", "https://h/y"],
  ["https://h/x", "http://h/y", "https://h/y"],
  ["https://h:5000/x", "http://h:5000/y", "https://h:5000/y"],
  ["https://h/x", "http://other/y", "http://other/y"],
  ["http://h/x", "https://h/y?a=b%3D", "https://h/y?a=b%3D"],
  ["http://[::1]:5000/x", "//[::1]:5000/y", "http://[::1]:5000/y"],
])("from %s, Location %s is %s", (from, location, to) => {
  expect(resolveLocation(location, new URL(from))?.href).toBe(to);
});

test.each([
  ["https://registry.example", "https://storage.example", true],
  ["https://registry.example", "http://storage.example", false],
  ["http://10.0.0.1:5000", "http://10.0.0.2:9000", true],
  ["http://10.0.0.1:5000", "http://127.0.0.1:9000", false],
  ["http://10.0.0.1:5000", "http://2852039166/", false],
  ["http://10.0.0.1:5000", "http://[::ffff:169.254.169.254]/", false],
  ["http://localhost:5000", "http://127.0.0.1:9000", true],
])("%s may send us to %s: %s", (from, to, may) => {
  const go = () => assertReachable(new URL(to), { from: new URL(from), method: "GET" });
  if (may) expect(go).not.toThrow();
  else expect(go).toThrow(expect.objectContaining({ code: "registry.redirect-refused" }));
});

test.each([
  ["https://ghcr.io/", { https_proxy: "http://p:3128" }, "http://p:3128/"],
  ["https://ghcr.io/", { http_proxy: "http://p:3128" }, undefined],
  ["http://x.example/", { HTTP_PROXY: "p:3128" }, "http://p:3128/"],
  ["https://ghcr.io/", { all_proxy: "http://p:1", no_proxy: "example.com, .ghcr.io" }, undefined],
  ["https://notghcr.io/", { all_proxy: "http://p:1", no_proxy: "ghcr.io" }, "http://p:1/"],
  ["https://a.ghcr.io/", { all_proxy: "http://p:1", NO_PROXY: "ghcr.io:443" }, undefined],
  ["https://a.ghcr.io:444/", { all_proxy: "http://p:1", NO_PROXY: "ghcr.io:443" }, "http://p:1/"],
  ["http://10.1.2.3:5000/", { all_proxy: "http://p:1", no_proxy: "10.0.0.0/8" }, undefined],
  ["http://[fd00::1]/", { all_proxy: "http://p:1", no_proxy: "fd00::/8" }, undefined],
  ["http://11.1.2.3/", { all_proxy: "http://p:1", no_proxy: "10.0.0.0/8,*" }, undefined],
  ["http://localhost:5000/", { all_proxy: "http://p:1" }, undefined],
])("%s with %j goes through %s", (url, environment, proxy) => {
  expect(proxyFor(new URL(url), environment)?.href).toBe(proxy);
});

const host = (clock: Clock, concurrency = 8, retries = 10) =>
  createHost({ clock, random: () => 0.5, concurrency, retries });

test("a host that complains gets half as many requests at once, once for all sent before, and slowly more again", async () => {
  const clock = stepClock();
  const here = host(clock);
  const most = async (): Promise<number> => {
    const leaves: (() => void)[] = [];
    for (let i = 0; i < 20; i += 1) void here.enter("request", undefined).then((leave) => leaves.push(leave));
    await new Promise((resolve) => setImmediate(resolve));
    const running = leaves.length;
    for (let i = 0; i < 20; i += 1) {
      leaves.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    return running;
  };
  expect(await most()).toBe(8);
  const sentAt = clock.now();
  await clock.sleep(10);
  for (let i = 0; i < 8; i += 1) here.throttled(1000, sentAt);
  expect(await most()).toBe(4);
  // Those that started after it waited for as long as it asked.
  expect(clock.now()).toBeGreaterThanOrEqual(1010);
  for (let i = 0; i < 16; i += 1) here.succeeded();
  expect(await most()).toBe(4);
  for (let i = 0; i < 4; i += 1) here.succeeded();
  expect(await most()).toBe(5);
});

test("uploads do not keep downloads waiting", async () => {
  const here = host(stepClock(), 1);
  await here.enter("upload", undefined);
  await here.enter("request", undefined);
});

const transient = (options: { retryAfter?: number; most?: number; throttled?: boolean } = {}) =>
  new TransientFailure("unavailable", "it failed", {
    code: "registry.unavailable",
    exchange: { method: "GET", url: "http://h/", status: 500, requestId: undefined, errors: [] },
    ...options,
  });

const policy = { random: () => 0.5, tries: 4, firstWait: 100, longestWait: 250, longestAsked: 60_000 };

test("tries are further and further apart, and end; progress starts them afresh", async () => {
  const clock = stepClock();
  const tries = createTries(host(clock), { ...policy, clock }, undefined);
  for (let i = 0; i < 3; i += 1) await tries.again(transient());
  expect(clock.slept).toEqual([75, 150, 187.5]);
  await expect(tries.again(transient())).rejects.toThrow("it failed (tried 4 times)");
  const others = createTries(host(clock), { ...policy, clock }, undefined);
  for (let i = 0; i < 8; i += 1) {
    await others.again(transient());
    others.progressed();
  }
});

test("a host's own word on when to come back counts, down to less than a millisecond, up to a bound", async () => {
  const clock = stepClock();
  const tries = createTries(host(clock), { ...policy, clock, random: () => 0 }, undefined);
  await tries.again(transient({ retryAfter: 0.8, throttled: true }));
  await tries.again(transient({ retryAfter: 5000 }));
  expect(clock.slept).toEqual([0.8, 5000]);
  await expect(tries.again(transient({ retryAfter: 61_000 }))).rejects.toThrow("asks to wait 2 minutes");
});

test("all tries at a host share one budget, which success refills", async () => {
  const clock = stepClock();
  const here = host(clock, 8, 3);
  const again = () => createTries(here, { ...policy, clock }, undefined).again(transient());
  for (let i = 0; i < 3; i += 1) await again();
  await expect(again()).rejects.toThrow("too much else failed there too");
  for (let i = 0; i < 4; i += 1) here.succeeded();
  await again();
});
