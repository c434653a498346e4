import { connect } from "node:net";
import { expect, test } from "vitest";
import { utf8 } from "../../base/bytes.js";
import type { Exchange } from "../../server/exchange.js";
import type { Handler } from "../../server/http.js";
import { listen } from "./listen.js";

/** Sends bytes as they are, and gives everything that comes back until the connection ends. */
function exchange(url: string, text: string): Promise<string> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname, () => socket.write(text));
    let answer = "";
    socket.on("data", (data) => {
      answer += data;
    });
    // How it ended is what the answer shows.
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(answer));
  });
}

const head = (more: readonly string[]): string =>
  ["POST /v2/ HTTP/1.1", "Host: x", ...more, "", ""].join("\r\n");

const refusing: Handler = async () => ({ status: 401, headers: { "Content-Length": "2" }, body: utf8("no") });

test("a body that was not read is not asked for with 100 Continue", async () => {
  const server = await listen(refusing);
  const answer = await exchange(
    server.url,
    head(["Content-Length: 5000000", "Expect: 100-continue", "Connection: close"]),
  );
  expect(answer).toMatch(/^HTTP\/1.1 401 .*no$/s);
  await server.close({ grace: 0 });
});

test("who is refused in the middle of a large body still gets the answer", async () => {
  const server = await listen(refusing);
  const answer = await exchange(server.url, head(["Content-Length: 50000000"]) + "x".repeat(3_000_000));
  expect(answer).toMatch(/^HTTP\/1.1 401 .*no$/s);
  await server.close({ grace: 0 });
});

test("an answer that breaks, or ends too early, is a reset connection and not a short answer", async () => {
  const errors: string[] = [];
  async function* broken() {
    yield utf8("some");
    throw new Error("disk on fire");
  }
  async function* short() {
    yield utf8("some");
  }
  const bodies = [broken(), short()];
  const observed: Exchange[] = [];
  const server = await listen(
    async () => ({ status: 200, headers: { "Content-Length": "9" }, body: bodies.shift() }),
    { onError: (error) => errors.push(String(error)), observe: (each) => observed.push(each) },
  );
  for (const _ of [1, 2])
    expect(await exchange(server.url, head(["Content-Length: 0"]))).not.toMatch(/some.+/s);
  expect(errors).toEqual(["Error: disk on fire", "Error: an answer of 9 bytes ended after 4"]);
  expect(observed.map(({ status, sent, complete }) => [status, sent, complete])).toEqual([
    [200, 4, false],
    [200, 4, false],
  ]);
  await server.close({ grace: 0 });
});

test("closing lets an answer that is under way end", async () => {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let arrived = (): void => {};
  const arrival = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const server = await listen(async () => {
    arrived();
    await held;
    return { status: 200, headers: { "Content-Length": "4" }, body: utf8("done") };
  });
  const answer = fetch(server.url);
  await arrival;
  const closed = server.close();
  release();
  expect(await (await answer).text()).toBe("done");
  await closed;
  await expect(fetch(server.url)).rejects.toThrow();
});

test("an address that is taken is a failure that names it", async () => {
  const server = await listen(refusing);
  const port = Number(new URL(server.url).port);
  await expect(listen(refusing, { port })).rejects.toMatchObject({
    code: "server.listen",
    message: expect.stringContaining(`127.0.0.1:${port}`),
  });
  await server.close();
});
