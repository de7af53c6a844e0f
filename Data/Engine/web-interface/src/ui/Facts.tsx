import type { ReactNode } from "react";
import classes from "./Facts.module.css";

export type Fact = readonly [label: string, value: ReactNode];

/** Names and values, in columns where there is room. Values that are missing are left out. */
export function Facts({ facts, columns = 1 }: { facts: readonly Fact[]; columns?: 1 | 2 }) {
  const known = facts.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false);
  return (
    <dl className={classes.facts ?? ""} data-columns={columns}>
      {known.map(([label, value]) => (
        <div key={label} className={classes.fact ?? ""}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
