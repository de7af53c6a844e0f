import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { expect, it } from "vitest";
import { askAnew } from "./anew";

it("asks once more when the first answer was on its way as the change came", async () => {
  const client = new QueryClient();
  const answers: ((value: string) => void)[] = [];
  const asked = new QueryObserver(client, {
    queryKey: ["run", "1"],
    queryFn: () => new Promise<string>((resolve) => answers.push(resolve)),
  });
  const off = asked.subscribe(() => undefined);
  askAnew(client, ["run"]);
  answers[0]?.("Running");
  await expect.poll(() => answers.length).toBe(2);
  answers[1]?.("Success");
  await expect.poll(() => asked.getCurrentResult().data).toBe("Success");
  askAnew(client, ["run"]);
  await expect.poll(() => answers.length).toBe(3);
  off();
});
