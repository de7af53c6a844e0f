import { Button, Menu, SegmentedControl, Switch, Tooltip } from "@mantine/core";
import {
  IconArrowsMaximize,
  IconArrowsMinimize,
  IconClipboardText,
  IconKeyboard,
  IconPhoto,
  IconPlugConnectedX,
} from "@tabler/icons-react";
import type { RefObject } from "react";
import { CHORDS, CONSOLES } from "./keys";
import type { DesktopSession, Quality, Sizing, Wishes } from "./session";
import classes from "./Viewer.module.css";

export interface ViewerButtons {
  keys: boolean;
  /** Keys that only a Linux console understands. */
  consoles: boolean;
  clipboard: boolean;
  /** The desktop can take the page's size. */
  resize: boolean;
  viewOnly: boolean;
  quality: boolean;
}

const ALL: ViewerButtons = { keys: true, consoles: true, clipboard: true, resize: true, viewOnly: true, quality: true };

const SIZINGS: readonly { value: Sizing; label: string }[] = [
  { value: "fit", label: "Fit" },
  { value: "actual", label: "Actual size" },
  { value: "resize", label: "Resize it" },
];
const QUALITIES: readonly { value: Quality; label: string }[] = [
  { value: "low", label: "Low: for slow lines" },
  { value: "medium", label: "Medium" },
  { value: "high", label: "High" },
];

interface Props {
  session: DesktopSession;
  wish: (change: Partial<Wishes>) => void;
  full: boolean;
  onFull: () => void;
  panel: boolean;
  onPanel: () => void;
  /** Gets the focus of who leaves the picture by keyboard. */
  leave: RefObject<HTMLButtonElement | null>;
  buttons: Partial<ViewerButtons> | undefined;
}

/** What can be done with a picture that runs, above it. Menus stay inside it: only what is inside is seen on a whole screen. */
export function Toolbar({ session, wish, full, onFull, panel, onPanel, leave, buttons }: Props) {
  const offered = { ...ALL, ...buttons };
  const { state, wishes, isViewOnly, mustView } = session;
  const isOn = state === "on";
  return (
    <div className={classes.bar} role="toolbar" aria-label="Of this picture">
      <Button
        ref={leave}
        size="compact-sm"
        color="red"
        variant="light"
        leftSection={<IconPlugConnectedX size={16} aria-hidden />}
        onClick={() => session.end()}
      >
        End
      </Button>
      {isOn && offered.keys ? (
        <Menu withinPortal={false} position="bottom-start" returnFocus={false}>
          <Menu.Target>
            <Button size="compact-sm" variant="default" disabled={isViewOnly} leftSection={<IconKeyboard size={16} aria-hidden />}>
              Keys
            </Button>
          </Menu.Target>
          <Menu.Dropdown className={classes.menu ?? ""}>
            <div className={classes.columns}>
              {[...CHORDS, ...(offered.consoles ? CONSOLES : [])].map((chord) => (
                <Menu.Item key={chord.label} onClick={() => session.send(chord)}>
                  {chord.label}
                </Menu.Item>
              ))}
            </div>
          </Menu.Dropdown>
        </Menu>
      ) : null}
      {isOn && offered.clipboard ? (
        <Button
          size="compact-sm"
          variant={panel ? "light" : "default"}
          aria-expanded={panel}
          leftSection={<IconClipboardText size={16} aria-hidden />}
          onClick={onPanel}
        >
          Clipboard
        </Button>
      ) : null}
      {isOn && offered.quality ? (
        <Menu withinPortal={false} position="bottom-start">
          <Menu.Target>
            <Button size="compact-sm" variant="default" leftSection={<IconPhoto size={16} aria-hidden />}>
              Quality
            </Button>
          </Menu.Target>
          <Menu.Dropdown className={classes.menu ?? ""}>
            {QUALITIES.map(({ value, label }) => (
              <Menu.Item
                key={value}
                role="menuitemradio"
                aria-checked={wishes.quality === value}
                fw={wishes.quality === value ? 600 : 400}
                onClick={() => wish({ quality: value })}
              >
                {label}
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
      ) : null}
      {isOn ? (
        <>
          <SegmentedControl
            size="xs"
            aria-label="Size of the picture"
            data={SIZINGS.filter(({ value }) => value !== "resize" || offered.resize)}
            value={wishes.sizing === "resize" && !offered.resize ? "fit" : wishes.sizing}
            onChange={(sizing) => wish({ sizing: sizing })}
          />
          <Button
            size="compact-sm"
            variant="default"
            leftSection={full ? <IconArrowsMinimize size={16} aria-hidden /> : <IconArrowsMaximize size={16} aria-hidden />}
            onClick={onFull}
          >
            {full ? "Back to the page" : "Whole screen"}
          </Button>
        </>
      ) : null}
      {isOn && offered.viewOnly ? (
        <Tooltip withinPortal={false} disabled={!mustView} label="Only looking is allowed here, or was asked for at the start">
          <Switch
            size="sm"
            label="View only"
            checked={isViewOnly}
            disabled={mustView}
            onChange={(event) => wish({ viewOnly: event.currentTarget.checked })}
          />
        </Tooltip>
      ) : null}
    </div>
  );
}
