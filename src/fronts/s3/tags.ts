/** The rules of tags: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';

/** Letters, marks, digits and spaces of any script, and `_.:/=+-@`. */
const TAG_TEXT = /^[\p{L}\p{M}\p{Z}\p{N}_.:/=+\-@]*$/u;

/**
 * Pairs as a record in the order in which they came.
 *
 * @throws GatewayError InvalidTag
 */
export function requireValidTags(pairs: Iterable<readonly [string, string]>, tagsMax: number): Record<string, string> {
  const tags = Object.create(null) as Record<string, string>;
  let count = 0;
  for (const [key, value] of pairs) {
    count += 1;
    if (count > tagsMax)
      throw new GatewayError('InvalidTag', `There are more than ${tagsMax} tags; at most ${tagsMax} are allowed.`);
    if (key in tags) throw new GatewayError('InvalidTag', `The tag key "${key.slice(0, 80)}" is given twice.`);
    requireTagText('key', key, 1, LIMITS.tagKeyCharsMax);
    requireTagText('value', value, 0, LIMITS.tagValueCharsMax);
    tags[key] = value;
  }
  return tags;
}

function requireTagText(what: string, text: string, min: number, max: number): void {
  if (text.length < min || text.length > max) {
    throw new GatewayError('InvalidTag', `A tag ${what} has ${text.length} characters; ${min} to ${max} are allowed.`);
  }
  if (!TAG_TEXT.test(text)) {
    throw new GatewayError(
      'InvalidTag',
      `The tag ${what} "${text.slice(0, 80)}" holds characters that tags may not have.`,
    );
  }
}
