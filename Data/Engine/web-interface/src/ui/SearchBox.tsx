import { CloseButton, Kbd, TextInput, type BoxProps } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useRef } from "react";
import { useKey } from "./keys";

interface Props {
  value: string;
  onChange: (value: string) => void;
  label: string;
  placeholder?: string;
  w?: BoxProps["w"];
}

/** The search field of a list. `/` goes to it; Escape empties it, then leaves it. */
export function SearchBox({ value, onChange, label, placeholder, w = 280 }: Props) {
  const field = useRef<HTMLInputElement>(null);
  useKey("/", (event) => {
    event.preventDefault();
    field.current?.focus();
    field.current?.select();
  });
  return (
    <TextInput
      ref={field}
      w={w}
      size="sm"
      value={value}
      aria-label={label}
      placeholder={placeholder ?? label}
      leftSection={<IconSearch size={16} aria-hidden />}
      rightSection={
        value ? (
          <CloseButton size="sm" aria-label="Clear the search" onClick={() => onChange("")} />
        ) : (
          <Kbd size="xs" visibleFrom="sm" aria-hidden>
            /
          </Kbd>
        )
      }
      onChange={(event) => onChange(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        if (value) onChange("");
        else event.currentTarget.blur();
      }}
    />
  );
}
