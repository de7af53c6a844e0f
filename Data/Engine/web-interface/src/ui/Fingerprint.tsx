import { Box } from "@mantine/core";
import { groups } from "./fingerprint";
import classes from "./Fingerprint.module.css";

/** A fingerprint in groups of four, two lines of eight: to be compared by eye with what a console shows. */
export function Fingerprint({ value }: { value: string }) {
  if (!value) return <span>unknown</span>;
  return (
    <Box component="code" className={classes.print ?? ""} aria-label={`Fingerprint ${value}`} role="img">
      {groups(value).map((group, place) => (
        <span key={place}>{group}</span>
      ))}
    </Box>
  );
}
