import { expect, test } from "vitest";
import { createLimiter, mapLimited } from "./limit.js";

test("a limiter never runs more than its limit, and runs all", async () => {
  const limit = createLimiter(3);
  let running = 0;
  let most = 0;
  const done = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      limit(async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 1));
        running -= 1;
        return i;
      }),
    ),
  );
  expect(most).toBe(3);
  expect(done).toEqual(Array.from({ length: 20 }, (_, i) => i));
});

test("of those that wait the most urgent is next, and equals keep their order", async () => {
  const limit = createLimiter(1);
  const order: string[] = [];
  const work = (name: string, urgency?: number) =>
    limit(async () => {
      order.push(name);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }, urgency);
  await Promise.all([work("running"), work("a"), work("b", 2), work("c", 1), work("d", 2), work("e")]);
  expect(order).toEqual(["running", "b", "d", "c", "a", "e"]);
});

test("mapLimited keeps order, and after an error starts nothing new", async () => {
  expect(await mapLimited([3, 1, 2], 2, async (n) => n * 2)).toEqual([6, 2, 4]);
  let started = 0;
  const failing = mapLimited(
    Array.from({ length: 50 }, (_, i) => i),
    2,
    async (n) => {
      started += 1;
      if (n === 3) throw new Error("three");
    },
  );
  await expect(failing).rejects.toThrow("three");
  expect(started).toBeLessThan(10);
});
