import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ErrorCode } from '../../src/base/errors.ts';
import { GatewayError } from '../../src/base/errors.ts';
import {
  parseAccessControlPolicy,
  parseCompleteMultipartUpload,
  parseCors,
  parseCreateBucket,
  parseDelete,
  parseTagging,
} from '../../src/format/s3-xml-read.ts';

const NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
const xml = (text: string): Buffer => Buffer.from(text);
const deletes = (inner: string): ReturnType<typeof parseDelete> => parseDelete(xml(`<Delete>${inner}</Delete>`));
const keysOf = (text: string): string[] => parseDelete(xml(text)).objects.map((object) => object.key);

function refuses(run: () => unknown, code: ErrorCode = 'MalformedXML', message = /./): void {
  assert.throws(
    run,
    (error) => error instanceof GatewayError && error.code === code && message.test(error.message),
    String(run),
  );
}

describe('Delete', () => {
  it('reads keys, versions and quiet', () => {
    const body = `\ufeff<?xml version="1.0" encoding="UTF-8"?>
      <Delete ${NS}> <Quiet>true</Quiet>
        <Object><Key>a &amp; b&#13;&#x1F600;</Key><VersionId>null</VersionId></Object>
        <!-- a comment --> <Object><Key><![CDATA[<c>]]></Key></Object>
      </Delete>`;
    const none = { etag: undefined, lastModifiedTime: undefined, size: undefined };
    assert.deepEqual(parseDelete(xml(body)), {
      quiet: true,
      objects: [
        { key: 'a & b\r\u{1f600}', versionId: 'null', ...none },
        { key: '<c>', versionId: undefined, ...none },
      ],
    });
  });

  it('keeps the spaces of keys', () =>
    assert.deepEqual(keysOf('<Delete><Object><Key>  a \n</Key></Object></Delete>'), ['  a \n']));

  it('takes any prefix and any namespace', () => {
    assert.deepEqual(keysOf('<s:Delete xmlns:s="urn:x"><s:Object><s:Key>k</s:Key></s:Object></s:Delete>'), ['k']);
  });

  it('reads conditions of an entry', () => {
    const [object] = deletes('<Object><Key>k</Key><ETag>"e"</ETag><Size>3</Size></Object>').objects;
    assert.deepEqual([object?.etag, object?.size], ['"e"', '3']);
  });

  it('takes 1,000 objects and not one more', () => {
    const objects = (count: number): string => '<Object><Key>k</Key></Object>'.repeat(count);
    assert.equal(deletes(objects(1000)).objects.length, 1000);
    refuses(() => deletes(objects(1001)));
    refuses(() => deletes(''));
  });

  for (const body of [
    '',
    'x',
    '<Delete>',
    '<Delete></Other>',
    '<Other/>',
    '<Delete><Object/></Delete>',
    '<Delete><Object><Key></Key></Object></Delete>',
    '<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>',
    '<Delete><Object><Key><a/></Key></Object></Delete>',
    '<Delete>text<Object><Key>a</Key></Object></Delete>',
    '<Delete><Object><Key>a</Key></Object><Quiet>maybe</Quiet></Delete>',
    '<Delete><Object><Key>a</Key><Force>1</Force></Object></Delete>',
    '<Delete><Object><Key>a & b</Key></Object></Delete>',
    '<Delete><Object><Key>&nbsp;</Key></Object></Delete>',
    '<Delete><Object><Key>&#0;</Key></Object></Delete>',
    '<Delete/><Delete/>',
    '<!DOCTYPE Delete><Delete><Object><Key>a</Key></Object></Delete>',
    '<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Delete><Object><Key>&b;</Key></Object></Delete>',
    '<!DOCTYPE d SYSTEM "file:///etc/passwd"><Delete/>',
    '<?xml version="1.0" encoding="UTF-16"?><Delete><Object><Key>a</Key></Object></Delete>',
  ]) {
    it(`refuses ${JSON.stringify(body.slice(0, 70))}`, () => refuses(() => parseDelete(xml(body))));
  }

  it('refuses bytes that are not UTF-8, depth, and size', () => {
    refuses(() =>
      parseDelete(Buffer.concat([xml('<Delete><Object><Key>'), Buffer.from([0xff]), xml('</Key></Object></Delete>')])),
    );
    refuses(() => parseDelete(xml(`${'<Delete>'.repeat(9)}${'</Delete>'.repeat(9)}`)), 'MalformedXML', /nested deeper/);
    refuses(
      () => parseDelete(xml(`<Delete>${'<a/>'.repeat(200_000)}</Delete>`)),
      'MalformedXML',
      /elements$|elements\./,
    );
    refuses(() => parseDelete(Buffer.alloc(9 * 1024 * 1024, ' ')), 'MalformedXML', /bytes/);
  });

  it('either reads or refuses as MalformedXML, whatever comes', () => {
    const token = fc.constantFrom(
      '<',
      '>',
      '/',
      '&',
      ';',
      '"',
      '<Delete>',
      '</Delete>',
      '<Object>',
      '</Object>',
      '<Key>',
      '</Key>',
      '<![CDATA[',
      ']]>',
      '<!--',
      '-->',
      '<?',
      '?>',
      '<!DOCTYPE',
      'a',
      '&#',
      ' ',
      '\0',
      '\ud800',
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 30 }), (tokens) => {
        try {
          parseDelete(xml(tokens.join('')));
        } catch (error) {
          assert.ok(error instanceof GatewayError && error.code === 'MalformedXML', String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('CompleteMultipartUpload', () => {
  const complete = (inner: string): ReturnType<typeof parseCompleteMultipartUpload> =>
    parseCompleteMultipartUpload(xml(`<CompleteMultipartUpload ${NS}>${inner}</CompleteMultipartUpload>`));

  it('reads numbers, ETags with or without quotes, and checksums', () => {
    const parts = complete(
      '<Part><PartNumber>1</PartNumber><ETag>"abc"</ETag><ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME></Part>' +
        '<Part><ETag>&quot;def&quot;</ETag><PartNumber>10000</PartNumber></Part><Part><ETag>g</ETag><PartNumber>2</PartNumber></Part>',
    );
    assert.deepEqual(
      parts.map(({ number, etag, checksums }) => [number, etag, [...checksums]]),
      [
        [1, 'abc', [['CRC64NVME', 'AAAAAAAAAAA=']]],
        [10000, 'def', []],
        [2, 'g', []],
      ],
    );
  });

  it('takes 10,000 parts with checksums', () => {
    const part = `<Part><ChecksumSHA256>${'A'.repeat(44)}</ChecksumSHA256><ETag>"${'e'.repeat(32)}"</ETag><PartNumber>7</PartNumber></Part>`;
    assert.equal(complete(part.repeat(10_000)).length, 10_000);
    refuses(() => complete(part.repeat(10_001)));
  });

  for (const number of ['0', '10001', '-1', '1.5', 'x', '', '1e2']) {
    it(`refuses part number "${number}"`, () =>
      refuses(() => complete(`<Part><PartNumber>${number}</PartNumber><ETag>a</ETag></Part>`)));
  }

  it('refuses no parts, and parts without number or ETag', () => {
    for (const inner of ['', '<Part/>', '<Part><PartNumber>1</PartNumber></Part>', '<Part><ETag>a</ETag></Part>'])
      refuses(() => complete(inner));
  });
});

describe('the small documents', () => {
  it('reads a location constraint', () => {
    const create = (inner: string): string | undefined =>
      parseCreateBucket(xml(`<CreateBucketConfiguration ${NS}>${inner}</CreateBucketConfiguration>`));
    assert.equal(create('<LocationConstraint>eu-west-1</LocationConstraint>'), 'eu-west-1');
    assert.equal(create(''), undefined);
    refuses(() => create('<Tags><Tag/></Tags>'), 'NotImplemented');
    refuses(() => create('<Other/>'));
  });

  it('reads tags in order, doubles included', () => {
    const tagging = (inner: string): [string, string][] => parseTagging(xml(`<Tagging ${NS}>${inner}</Tagging>`));
    const tags =
      '<TagSet><Tag><Key>b</Key><Value>2</Value></Tag><Tag><Value/><Key>a</Key></Tag><Tag><Key>b</Key><Value>3</Value></Tag></TagSet>';
    assert.deepEqual(tagging(tags), [
      ['b', '2'],
      ['a', ''],
      ['b', '3'],
    ]);
    assert.deepEqual(tagging('<TagSet/>'), []);
    for (const inner of ['', '<TagSet/><TagSet/>', '<TagSet><Tag><Key>a</Key></Tag></TagSet>', '<TagSet><X/></TagSet>'])
      refuses(() => tagging(inner));
  });

  it('reads CORS rules', () => {
    const cors = (inner: string): ReturnType<typeof parseCors> =>
      parseCors(xml(`<CORSConfiguration>${inner}</CORSConfiguration>`));
    const rule = (inner: string): string => `<CORSRule>${inner}</CORSRule>`;
    const minimal = '<AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>';
    const full = `<ID>x</ID>${minimal}<AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>30</MaxAgeSeconds>`;
    assert.deepEqual(cors(rule(minimal) + rule(full)), [
      { origins: ['*'], methods: ['GET'], allowedHeaders: [], exposeHeaders: [] },
      {
        id: 'x',
        origins: ['*'],
        methods: ['GET', 'PUT'],
        allowedHeaders: ['x-*'],
        exposeHeaders: ['ETag'],
        maxAgeSeconds: 30,
      },
    ]);
    refuses(() => cors(''));
    refuses(() => cors(rule(minimal).repeat(101)));
    refuses(() => cors(rule('<AllowedMethod>GET</AllowedMethod>')));
    refuses(() => cors(rule(`${minimal}<MaxAgeSeconds>-1</MaxAgeSeconds>`)));
    refuses(() => cors(rule(minimal.replace('GET', 'PATCH'))), 'InvalidRequest');
    refuses(() => cors(rule(minimal.replace('*', '*.a.*'))), 'InvalidRequest');
  });

  it('reads access control policies', () => {
    const body = `<AccessControlPolicy ${NS}><Owner><ID>me</ID><DisplayName>Me</DisplayName></Owner><AccessControlList>
      <Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>me</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant>
      <Grant><Grantee xsi:type="Group" xmlns:xsi="x"><URI>urn:all</URI></Grantee><Permission>READ</Permission></Grant>
    </AccessControlList></AccessControlPolicy>`;
    assert.deepEqual(parseAccessControlPolicy(xml(body)), {
      ownerId: 'me',
      grants: [
        { grantee: { id: 'me' }, permission: 'FULL_CONTROL' },
        { grantee: { uri: 'urn:all' }, permission: 'READ' },
      ],
    });
    refuses(() => parseAccessControlPolicy(xml('<AccessControlPolicy/>')));
  });
});
