import { Fragment } from "react";
import classes from "./NameList.module.css";

/** Names one after the other; a line ends between two of them, and within one only where it is too long for a line. */
export function NameList({ names, most = Number.POSITIVE_INFINITY }: { names: readonly string[]; most?: number }) {
  const shown = names.slice(0, most);
  return (
    <>
      {shown.map((name, place) => (
        <Fragment key={place}>
          <bdi className={classes.name}>{place < shown.length - 1 ? `${name},` : name}</bdi>{" "}
        </Fragment>
      ))}
      {names.length > most ? `and ${(names.length - most).toLocaleString()} more` : null}
    </>
  );
}
