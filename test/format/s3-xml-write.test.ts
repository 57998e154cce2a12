import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/base/errors.ts';
import type { StoredChecksum } from '../../src/base/object-info.ts';
import {
  writeBuckets,
  writeObjectsV1,
  writeObjectsV2,
  writeParts,
  writeUploads,
  writeVersions,
} from '../../src/format/s3-xml-lists.ts';
import { parseAccessControlPolicy, parseCors, parseTagging } from '../../src/format/s3-xml-read.ts';
import {
  writeAccessControlPolicy,
  writeCompleteMultipartUpload,
  writeCopyObject,
  writeCopyPart,
  writeCors,
  writeDelete,
  writeError,
  writeInitiateMultipartUpload,
  writeLocation,
  writeNoVersioning,
  writeObjectAttributes,
  writePostResponse,
  writeTagging,
} from '../../src/format/s3-xml-write.ts';
import { element, escapeXml, plainDocument } from '../../src/format/xml-text.ts';
import { optionalText, readXml } from '../../src/format/xml-tree.ts';

const owner = { id: 'owner-id', displayName: 'Owner & Co' };
const OWNER = '<ID>owner-id</ID><DisplayName>Owner &amp; Co</DisplayName>';
const ms = Date.UTC(2009, 9, 12, 17, 50, 30);
const AT = '2009-10-12T17:50:30.000Z';
const checksum: StoredChecksum = { algorithm: 'CRC32', value: 'y/Q5Jg==', type: 'FULL_OBJECT' };
const kind = { algorithm: 'CRC32', type: 'FULL_OBJECT' } as const;

function isDocument(xml: string, root: string, inner: string): void {
  const namespace = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
  assert.equal(xml, `<?xml version="1.0" encoding="UTF-8"?>\n<${root} ${namespace}>${inner}</${root}>`);
}

describe('escaping', () => {
  it('brings any text that XML can hold back through a parser', () => {
    // XML 1.0 production [2] Char, without the two that no parser may see.
    const holdable = fc
      .string({ unit: 'binary', maxLength: 40 })
      .filter((text) => /^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u.test(text));
    fc.assert(
      fc.property(holdable, (text) => {
        const body = Buffer.from(plainDocument('Error', element('Key', text)));
        assert.equal(optionalText(readXml(body, 'Error', 10_000), 'Key'), text);
      }),
    );
  });

  it('never lets text open an element, and always writes well-formed UTF-16', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('', '\ud800', '\udc00'), (text, surrogate) => {
        const escaped = escapeXml(text + surrogate);
        assert.doesNotMatch(escaped, /[<>"']|&(?!(?:amp|lt|gt|quot|apos|#x[0-9A-F]+);)/);
        assert.ok(escaped.isWellFormed());
      }),
    );
  });

  it('writes control characters as references', () => {
    assert.equal(escapeXml('a\r\u0001\u007f\u0085\ufffe\t\n'), 'a&#xD;&#x1;&#x7F;&#x85;&#xFFFE;\t\n');
    assert.equal(escapeXml('\ud800x'), '\ufffdx');
  });
});

describe('errors', () => {
  it('names code, message, details, resource and ids', () => {
    const error = new GatewayError('NoSuchKey', 'No "x".', { details: { Key: 'a<b' } });
    assert.equal(
      writeError(error, '/b/a<b', 'REQ', 'HOST'),
      '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>No &quot;x&quot;.</Message><Key>a&lt;b</Key>' +
        '<Resource>/b/a&lt;b</Resource><RequestId>REQ</RequestId><HostId>HOST</HostId></Error>',
    );
    assert.match(
      writeError(new GatewayError('NoSuchKey', 'x', { resource: '/own' }), '/b', 'R', 'H'),
      /<Resource>\/own</,
    );
  });
});

describe('listings', () => {
  const object = { key: 'a&b', modifiedMs: ms, etag: 'e', size: 3 };
  const page = { bucket: 'b', prefix: 'p/', maxKeys: 2, truncated: true, commonPrefixes: ['p/q/'] };
  const facts = `<LastModified>${AT}</LastModified><ETag>&quot;e&quot;</ETag>`;

  it('writes ListAllMyBucketsResult', () => {
    isDocument(
      writeBuckets({ owner, buckets: [{ name: 'b', createdMs: ms }], continuationToken: 't', prefix: 'x' }),
      'ListAllMyBucketsResult',
      `<Owner>${OWNER}</Owner><Buckets><Bucket><Name>b</Name><CreationDate>${AT}</CreationDate></Bucket></Buckets>` +
        '<ContinuationToken>t</ContinuationToken><Prefix>x</Prefix>',
    );
    isDocument(
      writeBuckets({ owner, buckets: [] }),
      'ListAllMyBucketsResult',
      `<Owner>${OWNER}</Owner><Buckets></Buckets>`,
    );
  });

  it('writes ListBucketResult, version 1', () => {
    isDocument(
      writeObjectsV1({
        ...page,
        marker: '',
        nextMarker: 'p/q/',
        delimiter: '/',
        encodingType: 'url',
        objects: [{ ...object, owner }],
      }),
      'ListBucketResult',
      '<Name>b</Name><Prefix>p/</Prefix><Marker></Marker><NextMarker>p/q/</NextMarker><MaxKeys>2</MaxKeys><Delimiter>/</Delimiter>' +
        `<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><Contents><Key>a&amp;b</Key>${facts}<Size>3</Size>` +
        `<Owner>${OWNER}</Owner><StorageClass>STANDARD</StorageClass></Contents><CommonPrefixes><Prefix>p/q/</Prefix></CommonPrefixes>`,
    );
  });

  it('writes ListBucketResult, version 2', () => {
    isDocument(
      writeObjectsV2({
        ...page,
        startAfter: 's',
        continuationToken: 'c',
        nextContinuationToken: 'n',
        objects: [{ ...object, checksum: kind }],
      }),
      'ListBucketResult',
      '<Name>b</Name><Prefix>p/</Prefix><StartAfter>s</StartAfter><ContinuationToken>c</ContinuationToken>' +
        '<NextContinuationToken>n</NextContinuationToken><KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated>' +
        `<Contents><Key>a&amp;b</Key>${facts}<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>` +
        '<Size>3</Size><StorageClass>STANDARD</StorageClass></Contents><CommonPrefixes><Prefix>p/q/</Prefix></CommonPrefixes>',
    );
  });

  it('writes ListVersionsResult', () => {
    const versions = [{ ...object, owner, versionId: 'null', isLatest: true }];
    isDocument(
      writeVersions({
        ...page,
        keyMarker: '',
        versionIdMarker: '',
        nextKeyMarker: 'k',
        nextVersionIdMarker: 'null',
        versions,
      }),
      'ListVersionsResult',
      '<Name>b</Name><Prefix>p/</Prefix><KeyMarker></KeyMarker><VersionIdMarker></VersionIdMarker><NextKeyMarker>k</NextKeyMarker>' +
        '<NextVersionIdMarker>null</NextVersionIdMarker><MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated>' +
        `<Version><Key>a&amp;b</Key><VersionId>null</VersionId><IsLatest>true</IsLatest>${facts}<Size>3</Size>` +
        `<Owner>${OWNER}</Owner><StorageClass>STANDARD</StorageClass></Version><CommonPrefixes><Prefix>p/q/</Prefix></CommonPrefixes>`,
    );
  });

  it('writes ListMultipartUploadsResult', () => {
    const uploads = [{ key: 'k', uploadId: 'u', initiatedMs: ms, owner, checksum: kind }];
    isDocument(
      writeUploads({
        bucket: 'b',
        keyMarker: '',
        uploadIdMarker: '',
        prefix: '',
        maxUploads: 9,
        truncated: false,
        uploads,
        commonPrefixes: [],
      }),
      'ListMultipartUploadsResult',
      '<Bucket>b</Bucket><KeyMarker></KeyMarker><UploadIdMarker></UploadIdMarker><Prefix></Prefix><MaxUploads>9</MaxUploads>' +
        `<IsTruncated>false</IsTruncated><Upload><Key>k</Key><UploadId>u</UploadId><Initiator>${OWNER}</Initiator><Owner>${OWNER}</Owner>` +
        `<StorageClass>STANDARD</StorageClass><Initiated>${AT}</Initiated><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>` +
        '<ChecksumType>FULL_OBJECT</ChecksumType></Upload>',
    );
  });

  it('writes ListPartsResult', () => {
    const parts = [{ number: 1, modifiedMs: ms, etag: 'e', size: 5, checksum }];
    isDocument(
      writeParts({
        bucket: 'b',
        key: 'k',
        uploadId: 'u',
        owner,
        marker: 0,
        nextMarker: 1,
        maxParts: 1,
        truncated: true,
        parts,
        checksum: kind,
      }),
      'ListPartsResult',
      `<Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId><Initiator>${OWNER}</Initiator><Owner>${OWNER}</Owner>` +
        '<StorageClass>STANDARD</StorageClass><PartNumberMarker>0</PartNumberMarker><NextPartNumberMarker>1</NextPartNumberMarker>' +
        '<MaxParts>1</MaxParts><IsTruncated>true</IsTruncated><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>' +
        `<ChecksumType>FULL_OBJECT</ChecksumType><Part><PartNumber>1</PartNumber>${facts}<Size>5</Size>` +
        '<ChecksumCRC32>y/Q5Jg==</ChecksumCRC32></Part>',
    );
  });
});

describe('answers', () => {
  const stored = { location: 'http://h/b/k', bucket: 'b', key: 'k', etag: 'e-2', checksum };
  const STORED = '<Location>http://h/b/k</Location><Bucket>b</Bucket><Key>k</Key><ETag>&quot;e-2&quot;</ETag>';
  const COPIED = `<LastModified>${AT}</LastModified><ETag>&quot;e&quot;</ETag><ChecksumCRC32>y/Q5Jg==</ChecksumCRC32>`;

  it('writes the results of uploads and copies', () => {
    isDocument(
      writeInitiateMultipartUpload({ bucket: 'b', key: 'k', uploadId: 'u' }),
      'InitiateMultipartUploadResult',
      '<Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId>',
    );
    const typed = '<ChecksumCRC32>y/Q5Jg==</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType>';
    isDocument(writeCompleteMultipartUpload(stored), 'CompleteMultipartUploadResult', STORED + typed);
    assert.equal(
      writePostResponse(stored),
      `<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>${STORED}</PostResponse>`,
    );
    const copied = { etag: 'e', modifiedMs: ms, checksum };
    isDocument(writeCopyObject(copied), 'CopyObjectResult', `${COPIED}<ChecksumType>FULL_OBJECT</ChecksumType>`);
    isDocument(writeCopyPart(copied), 'CopyPartResult', COPIED);
  });

  it('writes DeleteResult, quiet or not', () => {
    const outcomes = [{ key: 'a' }, { key: 'b', versionId: 'null', code: 'AccessDenied', message: 'no' }];
    const failed =
      '<Error><Key>b</Key><VersionId>null</VersionId><Code>AccessDenied</Code><Message>no</Message></Error>';
    isDocument(writeDelete(outcomes, false), 'DeleteResult', `<Deleted><Key>a</Key></Deleted>${failed}`);
    isDocument(writeDelete(outcomes, true), 'DeleteResult', failed);
  });

  it('writes location and versioning', () => {
    isDocument(writeLocation('us-east-1'), 'LocationConstraint', '');
    isDocument(writeLocation('eu-west-1'), 'LocationConstraint', 'eu-west-1');
    isDocument(writeNoVersioning(), 'VersioningConfiguration', '');
  });

  it('writes tags, CORS rules and access control that its readers read', () => {
    const tags = { 'a&b': '1', c: '' };
    assert.deepEqual(parseTagging(Buffer.from(writeTagging(tags))), Object.entries(tags));
    const rules = [
      { origins: ['*'], methods: ['GET'], allowedHeaders: [], exposeHeaders: [] },
      {
        id: '<1>',
        origins: ['https://a', 'b'],
        methods: ['PUT', 'POST'],
        allowedHeaders: ['*'],
        exposeHeaders: ['ETag'],
        maxAgeSeconds: 5,
      },
    ];
    assert.deepEqual(parseCors(Buffer.from(writeCors(rules))), rules);
    const further = [
      { grantee: { uri: 'http://acs.amazonaws.com/groups/global/AllUsers' }, permission: 'READ' },
      { grantee: { id: 'other' }, permission: 'WRITE' },
      { grantee: { email: 'x@y' }, permission: 'READ' },
    ];
    const policy = parseAccessControlPolicy(Buffer.from(writeAccessControlPolicy(owner, further)));
    assert.deepEqual(policy, {
      ownerId: owner.id,
      grants: [{ grantee: { id: owner.id }, permission: 'FULL_CONTROL' }, ...further],
    });
    assert.match(writeAccessControlPolicy(owner, further), /xsi:type="CanonicalUser">.*xsi:type="Group">/);
  });

  it('writes what was asked of GetObjectAttributes', () => {
    const parts = {
      total: 2,
      marker: 0,
      nextMarker: 1,
      maxParts: 1,
      truncated: true,
      page: [{ number: 1, size: 5, checksum }],
    };
    isDocument(
      writeObjectAttributes({ etag: 'e-2', checksum, parts, storageClass: 'STANDARD', size: 9 }),
      'GetObjectAttributesResponse',
      '<ETag>e-2</ETag><Checksum><ChecksumCRC32>y/Q5Jg==</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType></Checksum>' +
        '<ObjectParts><PartsCount>2</PartsCount><PartNumberMarker>0</PartNumberMarker><NextPartNumberMarker>1</NextPartNumberMarker>' +
        '<MaxParts>1</MaxParts><IsTruncated>true</IsTruncated><Part><PartNumber>1</PartNumber><Size>5</Size>' +
        '<ChecksumCRC32>y/Q5Jg==</ChecksumCRC32></Part></ObjectParts><StorageClass>STANDARD</StorageClass><ObjectSize>9</ObjectSize>',
    );
    isDocument(writeObjectAttributes({ size: 0 }), 'GetObjectAttributesResponse', '<ObjectSize>0</ObjectSize>');
  });
});
