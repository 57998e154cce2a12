/** Bytes for people: `10 KiB`, `1.5 MiB`. Pure. */
export function sizeText(bytes: number): string {
  const short = (value: number): number => Number(value.toFixed(1));
  if (bytes >= 1024 ** 2) return `${short(bytes / 1024 ** 2)} MiB`;
  return bytes >= 1024 ? `${short(bytes / 1024)} KiB` : `${bytes} B`;
}
