/**
 * Stored bytes for who asks for them: an object that is stored as one zstd frame leaves as that frame. Promises: only for a client that
 * names zstd in Accept-Encoding, since S3 SDKs do not undo a Content-Encoding (a `*` is not enough); never for ranges, parts and HEAD.
 *
 * Hardest decision: the ETag. It is the MD5 that S3 clients know, and a strong one may not be that of two representations (RFC 9110
 * section 8.8.3.3). So the encoded answer has it in its weak form, as nginx does: conditions on it work as they do everywhere here, and
 * If-Range, which needs a strong one, never continues an encoded body with a range of the object itself. Only the encoded answer varies:
 * the other one is good for everybody, whatever a cache in between makes of it.
 */

/** Whether an Accept-Encoding (RFC 9110 section 12.5.3) lists zstd with a weight above 0. */
export function namesZstd(header: string): boolean {
  return header.split(',').some((item) => {
    const [coding, ...parameters] = item.split(';').map((text) => text.trim().toLowerCase());
    if (coding !== 'zstd') return false;
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    return weight === undefined || Number(weight.slice(2)) > 0;
  });
}

/** Makes the headers of an object those of its zstd frame. */
export function pushZstd(headers: string[]): void {
  weakenEtag(headers);
  const ranges = headers.indexOf('Accept-Ranges');
  if (ranges >= 0) headers.splice(ranges, 2); // of the frame there are none
  headers.push('Content-Encoding', 'zstd', 'Vary', 'Accept-Encoding');
}

export function weakenEtag(headers: string[]): void {
  const at = headers.indexOf('ETag') + 1;
  if (at > 0) headers[at] = `W/${headers[at]}`;
}
