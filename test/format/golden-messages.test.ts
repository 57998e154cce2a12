import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MESSAGES, type Values } from './proto-scene.ts';

const bytes = (hex: string) => Buffer.from(hex, 'hex');

/** Full name, values, bytes on the wire. Every field is in one of them; a change here is a break with every client. */
const GOLDEN: readonly (readonly [string, Values, string])[] = [
  ['google.protobuf.Any', { typeUrl: 'u', value: bytes('01') }, '0a0175120101'],
  [
    'penstock.v1.BatchEnd',
    { ok: 1, failed: 2, unservedSlots: [3, 300], bytes: 5, cacheHits: 6, serverTime: { nanos: 7 } },
    '080110021a0303ac022005280632021007',
  ],
  [
    'penstock.v1.BatchFrame',
    { entries: [{ slot: 1, length: 2 }], end: { ok: 1 }, payload: bytes('0102') },
    '0a0408011002120208017a020102',
  ],
  ['penstock.v1.ByteRange', { start: 1, end: 0 }, '08011000'],
  ['penstock.v1.DeleteRequest', { bucket: 'b', keys: ['k', 'l'] }, '0a016212016b12016c'],
  ['penstock.v1.DeleteResponse', { statuses: [{}, { code: 5 }] }, '0a000a020805'],
  ['google.protobuf.Duration', { seconds: 1, nanos: 2 }, '08011002'],
  [
    'penstock.v1.Entry',
    {
      slot: 1,
      length: 2,
      objectOffset: 3,
      objectSize: 300,
      crc32: 0xcafebabe,
      etag: 'e',
      error: { code: 15 },
      encoding: 1,
    },
    '08011002180320ac022dbebafeca3201653a02080f4001',
  ],
  ['google.rpc.ErrorInfo', { reason: 'r', domain: 'd', metadata: { n: 'v' } }, '0a01721201641a060a016e120176'],
  [
    'penstock.v1.GetBatchRequest',
    {
      bucket: 'b',
      keys: ['k'],
      refs: [{ key: 'l' }],
      dataset: 'd@1',
      indices: [0, 300],
      order: 2,
      maxFrameBytes: 65536,
      nextKeys: ['n'],
      acceptEncodings: [1, 300],
    },
    '0a016212016b1a030a016c22036440312a0300ac0230023880800442016e4a0301ac02',
  ],
  ['penstock.v1.GetChunk', { info: { key: 'k' }, offset: 1, data: bytes('0102') }, '0a0312016b10017a020102'],
  [
    'penstock.v1.GetRequest',
    { bucket: 'b', key: 'k', range: { start: 1, end: 2 }, ifMatch: 'e', ifNoneMatch: 'f' },
    '0a016212016b1a04080110022201652a0166',
  ],
  ['penstock.v1.HeadRequest', { bucket: 'b', key: 'k' }, '0a016212016b'],
  [
    'penstock.v1.ListPage',
    { objects: [{ key: 'k' }], commonPrefixes: ['p/'], resumeToken: 't' },
    '0a0312016b1202702f1a0174',
  ],
  [
    'penstock.v1.ListRequest',
    { bucket: 'b', prefix: 'p', delimiter: '/', startAfter: 's', resumeToken: 't', pageSize: 1000 },
    '0a01621201701a012f2201732a017430e807',
  ],
  [
    'penstock.v1.ObjectInfo',
    {
      bucket: 'b',
      key: 'k',
      size: 300,
      etag: 'e',
      crc32: 0xcafebabe,
      contentType: 't',
      metadata: { n: 'v' },
      modified: { seconds: 1, nanos: 2 },
    },
    '0a016212016b18ac022201652dbebafeca3201743a060a016e120176420408011002',
  ],
  ['penstock.v1.PutChunk', { header: { key: 'k' }, crc32: 0, data: bytes('0102') }, '0a0312016b15000000007a020102'],
  ['penstock.v1.PutEntry', { slot: 1, header: { key: 'k' }, length: 2, crc32: 0 }, '0801120312016b18022500000000'],
  ['penstock.v1.PutFrame', { entries: [{ slot: 1 }], payload: bytes('0102') }, '0a0208017a020102'],
  [
    'penstock.v1.PutHeader',
    { bucket: 'b', key: 'k', size: 300, contentType: 't', metadata: { n: 'v' }, ifAbsent: true, ifMatch: 'e' },
    '0a016212016b18ac022201742a060a016e12017630013a0165',
  ],
  ['penstock.v1.PutResult', { slot: 1, info: { key: 'k' }, error: { code: 13 } }, '0801120312016b1a02080d'],
  ['google.rpc.RetryInfo', { retryDelay: { seconds: 1 } }, '0a020801'],
  ['penstock.v1.SampleRef', { key: 'k', range: { start: 1 }, bucket: 'b' }, '0a016b120208011a0162'],
  [
    'google.rpc.Status',
    { code: 5, message: 'm', details: [{ typeUrl: 'u', value: bytes('01') }] },
    '080512016d1a060a0175120101',
  ],
  ['google.protobuf.Timestamp', { seconds: -1, nanos: 2 }, '08ffffffffffffffffff011002'],
  ['grpc.health.v1.HealthCheckRequest', { service: 's' }, '0a0173'],
  ['grpc.health.v1.HealthCheckResponse', { status: 1 }, '0801'],
  ['grpc.health.v1.HealthListRequest', {}, ''],
  ['grpc.health.v1.HealthListResponse', { statuses: { s: { status: 1 } } }, '0a070a017312020801'],
  ['grpc.reflection.v1.ErrorResponse', { errorCode: 5, errorMessage: 'm' }, '080512016d'],
  ['grpc.reflection.v1.ExtensionNumberResponse', { baseTypeName: 't', extensionNumber: [1, 2] }, '0a017412020102'],
  ['grpc.reflection.v1.ExtensionRequest', { containingType: 't', extensionNumber: 1 }, '0a01741001'],
  ['grpc.reflection.v1.FileDescriptorResponse', { fileDescriptorProto: [bytes('0102')] }, '0a020102'],
  ['grpc.reflection.v1.ListServiceResponse', { service: [{ name: 's' }] }, '0a030a0173'],
  ['grpc.reflection.v1.ServerReflectionRequest', { host: 'h', fileContainingSymbol: 's' }, '0a0168220173'],
  [
    'grpc.reflection.v1.ServerReflectionResponse',
    { validHost: 'h', originalRequest: { listServices: '*' }, errorResponse: { errorCode: 5, errorMessage: 'm' } },
    '0a016812033a012a3a05080512016d',
  ],
  ['grpc.reflection.v1.ServiceResponse', { name: 's' }, '0a0173'],
];

test('every message has the bytes that clients in the field know', () => {
  for (const [fullName, values, hex] of GOLDEN) {
    const message = MESSAGES.find((one) => one.fullName === fullName);
    assert.ok(message !== undefined, fullName);
    assert.equal(message.encode(values).toString('hex'), hex, fullName);
    assert.equal(message.encode(message.decode(bytes(hex))).toString('hex'), hex, fullName);
  }
});

test('no message is left out', () => {
  assert.deepEqual(GOLDEN.map(([fullName]) => fullName).sort(), MESSAGES.map((message) => message.fullName).sort());
});
