/** Shares of operations in a mixed load, as words on the command line. Pure. */
import { BenchError } from '../../bench/measure/options.ts';
import { OPERATIONS, type OperationName } from './operation.ts';

export type Mix = Readonly<Record<OperationName, number>>;

/** `get=45,put=15,head=30,delete=10`; what is not named has no share. @throws BenchError */
export function parseMix(text: string): Mix {
  const mix: Record<OperationName, number> = { GET: 0, PUT: 0, HEAD: 0, DELETE: 0, LIST: 0 };
  for (const part of text.split(',')) {
    const [, word = '', share = ''] = /^\s*([a-z]+)\s*=\s*(\d+(?:\.\d+)?)\s*$/i.exec(part) ?? [];
    const name = OPERATIONS.find((one) => one === word.toUpperCase());
    if (name === undefined)
      throw new BenchError(`--mix has "${part}"; expected get, put, head, delete or list with a share, as get=45.`);
    mix[name] = Number(share);
  }
  if (mix.GET + mix.PUT + mix.HEAD + mix.LIST <= 0)
    throw new BenchError(`--mix is "${text}"; expected a share above 0 of something beside deletes.`);
  return mix;
}
