import { QueryClient } from "@tanstack/react-query";
import { ApiError, Unreachable } from "@/api/errors";

/** Questions are asked again while the Engine is away, for as long as it takes; an answer, even a bad one, counts. */
function again(count: number, error: Error): boolean {
  if (error instanceof Unreachable) return true;
  return error instanceof ApiError && (error.status === 429 || error.status === 503) && count < 4;
}

function wait(count: number, error: Error): number {
  const asked = error instanceof ApiError ? (error.retryAfter ?? 0) * 1000 : 0;
  return Math.max(asked, Math.min(5000, 500 * 2 ** count));
}

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      retry: again,
      retryDelay: wait,
      networkMode: "always", // the Engine may be on this very machine, with no network at all
      refetchOnWindowFocus: false,
      staleTime: 5000,
    },
    mutations: { retry: false, networkMode: "always" },
  },
});
