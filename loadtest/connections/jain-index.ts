/** How evenly something is shared among those who have an equal right to it. Pure. */

/**
 * Jain's index (Jain, Chiu and Hawe 1984): the square of the sum, divided by the count times the sum of the squares. 1: all have the same;
 * 1/n: one has everything. Of nothing at all it is 1, since nobody has less than another.
 *
 * @param shares none negative @throws RangeError for none
 */
export function jainIndex(shares: readonly number[]): number {
  if (shares.length === 0) throw new RangeError('fairness among nobody');
  const largest = Math.max(...shares);
  if (largest === 0) return 1;
  // Divided by the largest first, so that the squares of very large or very small shares are finite and not 0.
  let sum = 0;
  let squares = 0;
  for (const share of shares) {
    const part = share / largest;
    sum += part;
    squares += part * part;
  }
  return (sum * sum) / (shares.length * squares);
}

/** What the least of them has of the mean: 1 when all have the same, 0 when somebody has nothing. @throws RangeError for none */
export function leastOfMean(shares: readonly number[]): number {
  if (shares.length === 0) throw new RangeError('fairness among nobody');
  const sum = shares.reduce((all, share) => all + share, 0);
  return sum === 0 ? 1 : (Math.min(...shares) * shares.length) / sum;
}
