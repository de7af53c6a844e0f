import { useQuery } from "@tanstack/react-query";
import { api, take, type Schemas } from "@/api/client";

export type ScreenState = Schemas["ScreenState"];
export type ScreenList = Schemas["ScreenList"];
export type PictureFormat = "png" | "jpeg" | "webp";

/** Whether there is a screen, and who watches it; asked again while somebody looks at this page. */
export function useScreen(guid: string, enabled: boolean) {
  return useQuery({
    queryKey: ["screen", guid.toUpperCase()],
    queryFn: () => take(api.GET("/api/devices/{guid}/screen", { params: { path: { guid } } })),
    refetchInterval: 5000,
    enabled,
  });
}

/** `user`: whose; empty for who sits at the machine, or else the first by name. */
export async function listScreen(guid: string, user: string): Promise<ScreenList> {
  return take(
    api.POST("/api/devices/{guid}/screen/list", { params: { path: { guid } }, body: { timeout_seconds: 15, user } }),
  );
}

export async function takePicture(guid: string, user: string, monitor: number, format: PictureFormat): Promise<Blob> {
  return take(
    api.POST("/api/devices/{guid}/screenshot", {
      params: { path: { guid } },
      body: { monitor, region: null, format, quality: 85, timeout_seconds: 15, user },
      parseAs: "blob",
    }),
  );
}
