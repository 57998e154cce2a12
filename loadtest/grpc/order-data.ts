/** The data set that an order is about. Bodies that begin as a JPEG does are what a gateway takes for compressed already, and does not code. */
import { crc32Of } from '../../src/format/crc32.ts';
import { type DataSet, makeDataSet } from '../suite/data-set.ts';
import type { LoadOrder } from './orders.ts';

/** Start of image, and the beginning of an APP0 segment (ISO/IEC 10918-1, B.1.1.3). */
const JPEG_BEGIN = Buffer.from('ffd8ffe000104a464946', 'hex');

export function dataOf({ dataSet: spec, content }: Pick<LoadOrder, 'dataSet' | 'content'>): DataSet {
  const dataSet = makeDataSet(spec);
  if (content !== 'jpeg') return dataSet;
  const bodyOf = (position: number): Buffer => {
    const body = Buffer.from(dataSet.bodyOf(position)); // a copy: the set's bodies share their memory
    JPEG_BEGIN.copy(body);
    return body;
  };
  return { ...dataSet, bodyOf, crcOf: (position) => crc32Of(bodyOf(position), 0) };
}
