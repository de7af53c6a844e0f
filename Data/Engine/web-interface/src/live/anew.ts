import type { QueryClient, QueryKey } from "@tanstack/react-query";

/**
 * Ask again for what has changed. Also where the first answer is still on its way: it may be from before the change,
 * and the library would be content with it.
 */
export function askAnew(client: QueryClient, queryKey: QueryKey): void {
  const early = client
    .getQueryCache()
    .findAll({ queryKey, fetchStatus: "fetching" })
    .filter((query) => query.state.data === undefined);
  void client.invalidateQueries({ queryKey });
  for (const query of early) {
    void query.promise
      ?.catch(() => undefined)
      .then(() => client.invalidateQueries({ queryKey: query.queryKey, exact: true }));
  }
}
