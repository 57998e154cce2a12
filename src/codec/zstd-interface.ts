/** zstd (RFC 8878), as the codecs use it; `zstd-binding.ts` chooses who does it. */
export interface Zstd {
  readonly name: 'node' | 'package';
  /**
   * One frame with its content size and without a checksum, in a buffer of its own.
   *
   * @param level 1 to 12. Higher ones cut blocks so finely that a frame could not be bounded by counting them
   * @param dictionary raw content. It may be kept, so it must not change afterwards
   */
  compress(bytes: Buffer, level: number, dictionary?: Buffer): Buffer;
  /**
   * Of one frame, or of several that follow each other.
   *
   * @param size of what the frames hold, exactly
   * @throws Error when `frames` is not one or more whole frames of so many bytes in all
   */
  decompress(frames: Buffer, size: number, dictionary?: Buffer): Buffer;
}
