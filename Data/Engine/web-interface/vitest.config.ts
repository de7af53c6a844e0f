import { defineConfig, mergeConfig } from "vitest/config";
import vite from "./vite.config";

// Apart from the build, which runs where the test tools are not installed.
export default mergeConfig(
  vite,
  defineConfig({ test: { environment: "jsdom", include: ["src/**/*.test.{ts,tsx}"] } }),
);
