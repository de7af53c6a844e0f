import { PasswordInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, take, type Schemas } from "@/api/client";
import { Confirm, ConfirmTyped } from "@/ui/Confirm";
import { told } from "@/ui/told";
import { Rights, type RightsValue } from "./Rights";

export interface Asked {
  operator: Schemas["UserView"];
  what: "rights" | "password" | "mfa" | "bar" | "delete";
}

const SAID: Record<Asked["what"], string> = {
  rights: "The rights count at once.",
  password: "The new password counts; their sessions and tokens have ended.",
  mfa: "The second factor is gone; their sessions have ended.",
  bar: "Done.",
  delete: "The operator was deleted.",
};

/** Everything that asks before it changes an operator. */
export function OperatorDialogs({ asked, onClose }: { asked: Asked; onClose: () => void }) {
  const { operator, what } = asked;
  const { username } = operator;
  const client = useQueryClient();
  const path = { params: { path: { username } } };
  const [rights, setRights] = useState<RightsValue>({ role: operator.role, sites: operator.sites });
  const [password, setPassword] = useState("");

  const act = useMutation({
    mutationFn: async () => {
      if (what === "rights") {
        if (rights.role !== operator.role) {
          await take(api.POST("/api/users/{username}/role", { ...path, body: { role: rights.role } }));
        }
        await take(api.POST("/api/users/{username}/sites", { ...path, body: { sites: rights.sites } }));
      } else if (what === "password") {
        await take(api.POST("/api/users/{username}/reset_password", { ...path, body: { password } }));
      } else if (what === "mfa") {
        await take(api.POST("/api/users/{username}/mfa", { ...path, body: { enabled: false } }));
      } else if (what === "bar") {
        await take(api.POST("/api/users/{username}/disabled", { ...path, body: { disabled: !operator.disabled } }));
      } else {
        await take(api.DELETE("/api/users/{username}", path));
      }
    },
    onSuccess: () => {
      told(SAID[what]);
      onClose();
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["operators"] }),
  });
  const common = { opened: true, onClose, busy: act.isPending, error: act.error, onAct: () => act.mutate() };

  switch (what) {
    case "rights":
      return (
        <Confirm {...common} title={`Role and sites of ${username}`} act="Save">
          <Rights value={rights} onChange={setRights} />
        </Confirm>
      );
    case "password":
      return (
        <Confirm {...common} title={`New password for ${username}`} act="Set the password" ready={password.length >= 12}>
          <PasswordInput
            label="New password"
            description="At least 12 characters. Ends their sessions and personal tokens."
            data-autofocus
            autoComplete="new-password"
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
        </Confirm>
      );
    case "mfa":
      return (
        <Confirm {...common} danger title={`Take the second factor of ${username} away?`} act="Take it away">
          For somebody who lost their app and their recovery codes. Be sure that it is they who ask: until they set up another,
          their password alone opens the account. Their sessions end.
        </Confirm>
      );
    case "bar":
      return operator.disabled ? (
        <Confirm {...common} title={`Let ${username} in again?`} act="Let in">
          They may sign in with the password that they had.
        </Confirm>
      ) : (
        <Confirm {...common} danger title={`Bar ${username}?`} act="Bar">
          They cannot sign in, and their sessions end at once. Nothing of them is deleted.
        </Confirm>
      );
    case "delete":
      return (
        <ConfirmTyped {...common} title={`Delete ${username}?`} act="Delete" word={username}>
          The account ends with its sessions and tokens. The audit log keeps what they did.
        </ConfirmTyped>
      );
  }
}
