import { Autocomplete, CloseButton, type BoxProps } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, take } from "@/api/client";
import { useMay, useMe } from "@/app/session";

interface Props {
  value: string;
  onChange: (name: string) => void;
  /** Names that the page has come across. */
  seen: readonly string[];
  label?: string;
  "aria-label"?: string;
  w?: BoxProps["w"];
}

/** A person by user name: chosen, or typed by those who may not see all of them. */
export function PersonField({ value, onChange, seen, w = 160, ...named }: Props) {
  const [typed, setTyped] = useState(value);
  const me = useMe();
  const mayAll = useMay("operators.manage");
  const all = useQuery({ queryKey: ["operators"], queryFn: async () => (await take(api.GET("/api/users"))).users, enabled: mayAll });
  const names = [...new Set([...(me ? [me.username] : []), ...(all.data ?? []).map((one) => one.username), ...seen])].sort();
  const settle = (name: string) => {
    setTyped(name);
    if (name.trim() !== value) onChange(name.trim());
  };
  return (
    <Autocomplete
      {...named}
      placeholder="Anybody"
      w={w}
      limit={50}
      maxLength={256}
      data={names}
      // What is chosen already is no question: all names are offered again.
      filter={({ options, search, limit }) => {
        const word = search === value ? "" : search.trim().toLowerCase();
        return options.filter((one) => "label" in one && one.label.toLowerCase().includes(word)).slice(0, limit);
      }}
      value={typed}
      onChange={setTyped}
      onOptionSubmit={settle}
      onBlur={() => settle(typed)}
      onKeyDown={(event) => {
        if (event.key === "Enter") settle(typed);
      }}
      rightSection={value ? <CloseButton size="sm" aria-label="Anybody" onClick={() => settle("")} /> : null}
    />
  );
}
