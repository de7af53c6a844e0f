import { Select, Text, TextInput } from "@mantine/core";
import { isoText, localText, RANGES, type RangeSearch } from "./range";
import { useMidnight } from "./clock";

const OWN = "own";

interface Props {
  search: RangeSearch;
  onChange: (range: Required<RangeSearch>) => void;
  /** Names above the fields, where their neighbours have some. */
  labelled?: boolean;
}

/** When: a day or a period, or from and to as one likes. Empty texts limit nothing. */
export function TimeRange({ search, onChange, labelled = false }: Props) {
  const midnight = useMidnight();
  const own = search.since === undefined && (search.from !== undefined || search.to !== undefined);
  const known = search.since === undefined || RANGES.some((one) => one.value === search.since);
  const named = (name: string) => (labelled ? { label: name } : { "aria-label": name });
  const change = (next: RangeSearch) => onChange({ since: "", from: search.from ?? "", to: search.to ?? "", ...next });
  return (
    <>
      <Select
        {...named("Time")}
        placeholder="Any time"
        w={{ base: "calc(50% - 5px)", xs: 160 }}
        clearable
        data={[
          ...RANGES,
          ...(known ? [] : [{ value: search.since ?? "", label: `Last ${search.since ?? ""}` }]),
          { value: OWN, label: "From … to …" },
        ]}
        value={own ? OWN : (search.since ?? null)}
        onChange={(value) => {
          if (value === OWN) onChange({ since: "", from: new Date((midnight - 86_400) * 1000).toISOString().replace(":00.000Z", "Z"), to: "" });
          else onChange({ since: value ?? "", from: "", to: "" });
        }}
      />
      {own ? (
        <>
          <Moment key={`f${search.from ?? ""}`} {...named("From")} iso={search.from} onChange={(from) => change({ from })} />
          <Moment key={`t${search.to ?? ""}`} {...named("To")} iso={search.to} onChange={(to) => change({ to })} />
        </>
      ) : null}
    </>
  );
}

interface MomentProps {
  label?: string;
  "aria-label"?: string;
  iso: string | undefined;
  onChange: (iso: string) => void;
}

/** A moment where the reader is. Taken over when the field is left, for half a date is none. */
function Moment({ iso, onChange, ...named }: MomentProps) {
  const given = localText(iso);
  const settle = (text: string) => {
    if (text !== given) onChange(isoText(text));
  };
  return (
    <TextInput
      {...named}
      type="datetime-local"
      w={{ base: "100%", xs: 250 }}
      {...(named.label ? {} : { leftSection: <Hint text={named["aria-label"] ?? ""} />, leftSectionWidth: 44 })}
      defaultValue={given}
      onBlur={(event) => settle(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === "Enter") settle(event.currentTarget.value);
      }}
    />
  );
}

function Hint({ text }: { text: string }) {
  return (
    <Text span size="xs" c="dimmed" aria-hidden>
      {text}
    </Text>
  );
}
