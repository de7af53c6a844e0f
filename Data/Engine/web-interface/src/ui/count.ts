/** "1 device", "5,000 devices". */
export function devicesOf(number: number): string {
  return number === 1 ? "1 device" : `${number.toLocaleString()} devices`;
}
