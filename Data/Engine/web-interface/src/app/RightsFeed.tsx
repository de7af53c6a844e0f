import { notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { whenForbidden } from "@/api/client";
import { useLiveEvent } from "@/live/hooks";
import { meQuery, type Me } from "./session";

const rightsOf = (me: Me) => JSON.stringify([me.role, me.sites, [...me.permissions].sort()]);

/** Notices that an Admin changed what we may do: asks everything anew, and says so. Shows nothing itself. */
export function RightsFeed({ me }: { me: Me }) {
  const client = useQueryClient();
  const known = useRef({ username: me.username, rights: rightsOf(me) });

  useLiveEvent("rights_changed", () => void client.invalidateQueries());
  // Something was refused that we thought we may do: perhaps it was so until a moment ago.
  useEffect(() => whenForbidden(() => void client.invalidateQueries({ queryKey: meQuery.queryKey })), [client]);

  useEffect(() => {
    const before = known.current;
    known.current = { username: me.username, rights: rightsOf(me) };
    if (before.username !== me.username || before.rights === known.current.rights) return;
    void client.invalidateQueries();
    notifications.show({
      title: "Your rights were changed",
      message: `An Admin changed them. You are ${me.role} now, ${me.sites === null ? "for all sites" : me.sites.length === 1 ? "for one site" : `for ${me.sites.length} sites`}; the page shows what that allows.`,
      color: "yellow",
      autoClose: false,
    });
  }, [client, me]);
  return null;
}
