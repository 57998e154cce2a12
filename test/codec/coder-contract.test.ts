import { CodecPool } from '../../src/codec/codec-pool.ts';
import { codecSetOf } from '../../src/codec/codec-set.ts';
import { loadCodecs } from '../../src/codec/codecs.ts';
import { directCoder } from '../../src/codec/direct-coder.ts';
import { coderContract } from './coder-contract.ts';

coderContract('where one stands', async () => directCoder(codecSetOf((await loadCodecs()).all)));
coderContract('on threads', async () => new CodecPool({ threads: 2, isBackground: false }));
coderContract('on threads in the background', async () => new CodecPool({ threads: 1, isBackground: true }));
