import { useQuery } from "@tanstack/react-query";
import { api, take, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";

export type Approval = Schemas["ApprovalItem"];
export type Code = Schemas["CodeView"];
export type NewCode = Schemas["NewCode"];

export const APPROVALS = ["approvals"] as const;
export const CODES = ["codes"] as const;

/** Devices that wait for a decision. */
export function useApprovals(status = "pending") {
  const may = useMay("enrolment.read");
  return useQuery({
    queryKey: [...APPROVALS, status],
    queryFn: async () =>
      (await take(api.GET("/api/admin/device-approvals", { params: { query: { status } } }))).approvals,
    enabled: may,
  });
}

export function useWaitingCount(): number {
  return useApprovals().data?.length ?? 0;
}

export function useCodes() {
  const may = useMay("enrolment.read");
  return useQuery({
    queryKey: CODES,
    queryFn: async () => (await take(api.GET("/api/admin/enrollment-codes"))).codes,
    enabled: may,
  });
}
