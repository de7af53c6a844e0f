import { lazyRouteComponent } from "@tanstack/react-router";

const WAIT_MS = 1000;

async function engineAnswers(): Promise<boolean> {
  try {
    return (await fetch("/health", { cache: "no-store" })).status < 600;
  } catch {
    return false;
  }
}

/** Loads a page's code; while the Engine is away it waits for it, instead of failing. */
export async function patiently<Module>(
  load: () => Promise<Module>,
  answers: () => Promise<boolean> = engineAnswers,
  wait: () => Promise<void> = () => new Promise((done) => setTimeout(done, WAIT_MS)),
): Promise<Module> {
  let lastChance = false;
  for (;;) {
    try {
      return await load();
    } catch (error) {
      // The Engine is there and the code is not: another build was put in place. The router loads the page anew.
      if (lastChance) throw error;
      lastChance = await answers();
      if (!lastChance) await wait();
    }
  }
}

/** A page whose code comes when it is first opened. */
export const lazyPage: typeof lazyRouteComponent = (load, name) => lazyRouteComponent(() => patiently(load), name);
