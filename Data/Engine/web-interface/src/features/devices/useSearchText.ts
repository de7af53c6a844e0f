import { useDebouncedCallback } from "@mantine/hooks";
import { useState } from "react";

/** The address follows the typing after a pause. */
const ADDRESS_MS = 300;

interface SearchText {
  text: string;
  /** Another number: the text is not what was typed, and the field begins anew with it. */
  epoch: number;
  type: (text: string) => void;
  /** Empties the field; the address is the caller's matter. */
  clear: () => void;
}

/**
 * What stands in the search field, where the address holds it too. The address comes back a moment after it was sent,
 * when more may have been typed: what we sent ourselves never changes the field. Anything else in the address (a saved
 * filter, the way back) does.
 */
export function useSearchText(address: string, send: (text: string) => void): SearchText {
  const [text, setText] = useState(address);
  const [epoch, setEpoch] = useState(0);
  const [seen, setSeen] = useState<{ address: string; sent: readonly string[] }>({ address, sent: [] });

  if (address !== seen.address) {
    const place = seen.sent.indexOf(address);
    setSeen({ address, sent: place < 0 ? [] : seen.sent.slice(place + 1) });
    if (place < 0) {
      setText(address);
      setEpoch(epoch + 1);
    }
  }

  const expect = (next: string) => setSeen((now) => ({ ...now, sent: [...now.sent, next].slice(-8) }));
  const toAddress = useDebouncedCallback((next: string) => {
    if (next !== address) expect(next);
    send(next);
  }, ADDRESS_MS);

  return {
    text,
    epoch,
    type: (next) => {
      setText(next);
      toAddress(next);
    },
    clear: () => {
      toAddress.cancel();
      if (address !== "") expect("");
      setText("");
      setEpoch(epoch + 1);
    },
  };
}
