import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";
import { useNextFocus } from "./useNextFocus";

function Cards({ keys }: { keys: readonly string[] }) {
  const list = useNextFocus(keys);
  return (
    <section>
      <h2>Let devices in</h2>
      <div ref={list}>
        {keys.map((key) => (
          <article key={key} data-key={key} aria-label={key} tabIndex={-1}>
            <button>{`Approve ${key}`}</button>
          </article>
        ))}
      </div>
      <button>elsewhere</button>
    </section>
  );
}

afterEach(cleanup);

it("goes to the next card, then to the one before, then to the heading", () => {
  const { rerender } = render(<Cards keys={["a", "b", "c"]} />);
  screen.getByText("Approve b").focus();
  rerender(<Cards keys={["a", "c"]} />);
  expect(document.activeElement).toBe(screen.getByLabelText("c"));
  rerender(<Cards keys={["a"]} />);
  expect(document.activeElement).toBe(screen.getByLabelText("a"));
  rerender(<Cards keys={[]} />);
  expect(document.activeElement).toBe(screen.getByText("Let devices in"));
});

it("leaves the focus where somebody put it", () => {
  const { rerender } = render(<Cards keys={["a", "b"]} />);
  screen.getByText("Approve a").focus();
  screen.getByText("elsewhere").focus();
  rerender(<Cards keys={["b"]} />);
  expect(document.activeElement).toBe(screen.getByText("elsewhere"));
});

it("stays on a card while others come and go", () => {
  const { rerender } = render(<Cards keys={["a", "b"]} />);
  screen.getByText("Approve b").focus();
  rerender(<Cards keys={["b", "x"]} />);
  expect(document.activeElement).toBe(screen.getByText("Approve b"));
  rerender(<Cards keys={["x"]} />);
  expect(document.activeElement).toBe(screen.getByLabelText("x"));
});
