import { useMemo } from "react";
import { encode } from "uqr";

/** A QR code, drawn as one path; dark on white in either colour scheme, as cameras want it. */
export function QrCode({ value, label, size = 200 }: { value: string; label: string; size?: number }) {
  const { width, path } = useMemo(() => {
    const code = encode(value, { ecc: "M", border: 3 });
    const path = code.data
      .flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : "")))
      .join("");
    return { width: code.size, path };
  }, [value]);
  return (
    <svg role="img" aria-label={label} viewBox={`0 0 ${width} ${width}`} width={size} height={size} shapeRendering="crispEdges">
      <rect width={width} height={width} fill="#ffffff" />
      <path d={path} fill="#000000" />
    </svg>
  );
}
