/**
 * Every bound of the gateway, in one place: value, unit, reason. What must hold between two of them is asserted at the end, so
 * that changing one cannot silently break another.
 */
import assert from 'node:assert/strict';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const TiB = 1024 * GiB;

export const LIMITS = {
  // --- names (S3 user guide: bucket naming rules, object key naming) ---
  bucketNameBytesMin: 3,
  bucketNameBytesMax: 63,
  keyBytesMax: 1024,
  bucketsMax: 10_000,

  // --- objects (S3: Amazon S3 multipart upload limits) ---
  objectBytesMax: 5 * TiB,
  putBytesMax: 5 * GiB,
  partBytesMin: 5 * MiB,
  partBytesMax: 5 * GiB,
  partsMax: 10_000,
  userMetadataBytesMax: 2 * KiB,
  tagsMax: 10,
  tagKeyCharsMax: 128,
  tagValueCharsMax: 256,
  listPageMax: 1000,
  deleteKeysMax: 1000,

  // --- records and volumes ---
  /** Payload of one record. Bigger objects are lists of extents; a range read verifies at most this much. */
  extentBytes: 4 * MiB,
  /** Payload of a manifest record: 24 bytes for each of the extents of a 5 TiB object, and its part table. */
  manifestBytesMax: 64 * MiB,
  /** Key and attributes of a record: 1,024 + 2 KiB of user metadata + headers, tags and checksums. */
  recordAttributesBytesMax: 32 * KiB,
  /** A volume is sealed when it grows past this. Small enough to compact in seconds, big enough for few files: 8 PB / 4 GiB = 2 M. */
  volumeBytesMax: 4 * GiB,
  /** Reads and writes need this much free space left for tombstones, index growth and compaction. */
  reserveBytes: 256 * MiB,
  /** On a small disk the reserve is this share of it. */
  reserveShare: 0.05,

  // --- group commit ---
  /** Bytes of one group: a slow disk then holds at most two of them in memory per worker. */
  groupBytesMax: 32 * MiB,
  groupRecordsMax: 1024,
  /** A larger group of what is compressed already is written past the page cache. */
  directGroupBytesMin: 1 * MiB,
  /** Bytes of writes that wait for a group; beyond it a writer waits before its body is read. */
  writeQueueBytesMax: 128 * MiB,

  // --- caches ---
  cacheBytesMin: 32 * MiB,
  /** Share of the machine's (or container's) memory that the caches of all workers may hold together. */
  cacheMemoryShare: 0.25,
  /** Objects above this are not worth caching whole in RAM: the page cache serves them. */
  cacheEntryBytesMax: 4 * MiB,
  openVolumesMax: 512,
  /** Bytes that may be read ahead before any have paid: a batch of small images. At most a quarter of the cache. */
  aheadBytesMin: 2 * MiB,
  /** Reads ahead at once, beside those that somebody waits for. */
  aheadReadsMax: 16,

  // --- batches ---
  batchRefsMax: 100_000,
  /** Single records up to this are read into the sender's buffer; larger ones extent by extent. */
  batchWholeBytesMax: 1 * MiB,
  /**
   * Reading over a gap of 16 KiB costs less than another read, on flash and in the page cache. A run holds the event loop for its copy:
   * 256 KiB take 0.1 ms.
   */
  batchGapBytesMax: 16 * KiB,
  batchRunBytesMax: 256 * KiB,
  batchRunItemsMax: 256,
  /** Reads of one batch on the thread pool at once, and their bytes: enough to fill the queue of a flash disk. */
  batchReadsMax: 64,
  batchReadBytesMax: 8 * MiB,

  /** A GetBatch request: 100,000 keys of 160 bytes. */
  batchRequestBytesMax: 16 * MiB,
  batchFrameBytes: 1 * MiB,
  /** A frame leaves when it has this much, unless one object is larger: 1 MiB took 15 % more CPU, and twice as long to the first byte. */
  batchFrameBytesEnough: 192 * KiB,
  batchFrameBytesMin: 64 * KiB,
  batchFrameBytesMax: 4 * MiB,
  /** Entries of one frame: tiny objects fill no megabyte, and their descriptions are memory too. */
  batchFrameEntriesMax: 4096,
  /** Frames of one batch that are on their way; the next is read while one is written. */
  batchFramesInFlight: 2,
  /** Frames of all batches of a worker. A stalled reader holds two until the transport ends it. */
  batchSlabBytesMax: 256 * MiB,
  /** Frames kept for the next batch, however long it takes to come; more of them only while they are in use again and again. */
  batchSlabFreeBytesMax: 32 * MiB,
  /** A batch stops this long before its deadline, or this share of its time before, whichever is less: the end must still arrive. */
  batchDeadlineMarginMs: 200,
  batchDeadlineMarginShare: 0.1,

  // --- index ---
  /** Virtual address space, not memory: 1 TiB holds six billion keys at 165 bytes. */
  indexMapBytes: 1 * TiB,
  indexReadersMax: 1022,

  // --- time ---
  uploadExpiryMs: 7 * 24 * 3600 * 1000,
  /** Tombstones are remembered in the index this long, to order late writes; a write that waited longer is written again. */
  graveTtlMs: 10 * 60 * 1000,
  shutdownMs: 30_000,

  // --- processes ---
  /** Threads of a process that wait for the disk: flash answers many reads at once, and four, which is Node's number, are few. */
  diskThreads: 16,
  /** A dead worker or keeper is started again after this, doubled for each failure up to the maximum. */
  restartDelayMinMs: 100,
  restartDelayMaxMs: 10_000,
  /** A process that was ready this long has proven itself: its next restart is quick again. */
  restartResetMs: 60_000,
  /** A worker that is not ready by then is killed and counts as failed. The keeper has no such bound: it may be replaying volumes. */
  workerStartMs: 60_000,
  /** A worker that drains lets responses run this long; less than `shutdownMs`, so that the store can still be closed in order. */
  drainMs: 25_000,
  /** When a worker drains, a connection without a request is kept this long for the one that its client may just be sending. */
  drainIdleMs: 5000,
  /** The same when the whole gateway stops: the next request could not come anyway, so only one that is under way is waited for. */
  stopIdleMs: 500,
  /** Ctrl-C under npm arrives twice, from the terminal and from npm: only a signal after this is a second one. */
  secondSignalMs: 300,
  /** Accepted connections that wait for a worker to take them: a burst of every client at once; beyond it new ones are closed. */
  waitingConnectionsMax: 8192,
  /** A process that does not answer a scrape by then is shown with the figures that it gave last. */
  metricsTimeoutMs: 2000,
  /** How long a start waits for the children of a supervisor that was killed; they need milliseconds, unless the disk hangs. */
  survivorsMs: 10_000,

  // --- gRPC ---
  /** A question about health or descriptors: a name. */
  grpcHealthRequestBytesMax: 1024,
  /** From the connection to the client's SETTINGS. */
  grpcHelloMs: 5000,
  grpcPingIntervalMs: 30_000,
  /** A peer that does not answer a ping by then is gone, or does not read. */
  grpcPingTimeoutMs: 20_000,
  /** Pings of a client between two of ours; clients that keep a connection alive send one in ten seconds at most. */
  grpcPingsMax: 100,
  /** Connections of one worker. */
  grpcConnectionsMax: 4096,
  /** Calls of one connection at once; clients queue further ones. Training processes have a handful. */
  grpcStreamsMax: 128,
  /**
   * Flow-control window of one call's request: 1 GB/s over a round trip of 1 ms. A handler that does not read can have that much of each
   * call in memory, hence not more.
   */
  grpcStreamWindowBytes: 1 * MiB,
  /** The same for all calls of a connection together: four uploads at full speed. HTTP/2's default of 64 KiB would stop them all. */
  grpcConnectionWindowBytes: 4 * MiB,
  /** Bytes of requests that all calls of a worker hold, in whole or partial messages; beyond it calls are asked to come back. */
  grpcRequestBytesMax: 512 * MiB,
  /** One response message; the largest frame of a batch is 4 MiB and what describes it. */
  grpcResponseBytesMax: 16 * MiB,
  /** Responses above this are compressed where method and client want it: smaller ones do not pay for the thread pool. */
  grpcCompressBytesMin: 1 * KiB,
  /** Response metadata of a handler: clients take 8 KiB of headers in all. */
  grpcMetadataBytesMax: 4 * KiB,
  /**
   * MB, a number of node:http2 that counts queued output too: its default of 10 resets healthy streams. Memory is bounded by what
   * handlers hold, so this must only be above it.
   */
  grpcSessionMemoryMB: 2048,
  /** Streams that a client may reset at once, and per second from then on; beyond it the connection ends (CVE-2023-44487). */
  grpcResetsBurst: 1000,
  grpcResetsPerSecond: 33,
  /** Request headers: a path, a token, and metadata. */
  grpcHeaderBytesMax: 16 * KiB,
  grpcHeaderPairsMax: 100,
  /** A response that its reader does not take by then is reset: a training loop may pause for its validation. */
  grpcStalledMs: 10 * 60 * 1000,
  /** Connections are renewed after this, give or take a tenth, so that clients spread over the workers that there are by then. */
  grpcConnectionAgeMs: 30 * 60 * 1000,
  /** Calls of such a connection may run on this long. */
  grpcConnectionGraceMs: 10 * 60 * 1000,
  /** From the last word on a connection to its end: time for it to arrive. */
  grpcGoodbyeMs: 500,
  /** Items of one repeated field of a message: what takes two bytes on the wire takes fifty here. Above the limits that callers are told. */
  messageItemsMax: 200_000,
  /** Life of a bearer token from now on, beside `clockSkewMs`: a stolen one is of use for a day at most. */
  tokenLifeMsMax: 24 * 3600 * 1000,
  /** Bearer tokens of one worker that were verified and are remembered, 0.5 KiB each: one for each process of a large training run. */
  tokensVerifiedMax: 4096,

  // --- wire formats ---
  /** Difference between a signer's clock and ours, both ways (S3: 15 minutes). */
  clockSkewMs: 15 * 60 * 1000,
  /** Life of a presigned URL in seconds (S3: seven days). */
  presignExpiresSecondsMax: 604_800,
  /** Day keys of SigV4 kept per worker: one per credential, day and region that has proven itself; about 1 KiB each. */
  signingKeysMax: 4096,
  /** One size line of aws-chunked: 16 hex digits and a signature take 98 bytes. */
  chunkLineBytesMax: 256,
  chunkTrailerBytesMax: 4 * KiB,
  xmlDepthMax: 8,
  /** Body of DeleteObjects and CompleteMultipartUpload: 1,000 escaped keys, or 10,000 parts with checksums. */
  xmlBytesMax: 8 * MiB,
  /** Body of the small documents: tagging, CORS (S3: 64 KB), bucket configuration. */
  xmlSmallBytesMax: 64 * KiB,
  /** Elements of one document: 10,000 parts of up to nine elements, and the root. */
  xmlElementsMax: 100_000,
  corsRulesMax: 100,
  /** Everything of a browser form that comes before its file's bytes (S3: 20 KB). */
  formFieldBytesMax: 20 * KiB,

  // --- S3 front ---
  /** Request head: 8 KB of S3 headers and metadata, a long target, and room. node:http answers 431 beyond it. */
  headBytesMax: 32 * KiB,
  /** A head must be whole within this time after its first byte, and a new connection must send one. */
  headMs: 20_000,
  /** How often heads are checked for their time. */
  headCheckMs: 5_000,
  /** An idle keep-alive connection is closed after this: longer than the 60 s of usual load balancers, so that they close first. */
  idleConnectionMs: 75_000,
  /** A connection on which nothing moves while we wait for the client. */
  stalledConnectionMs: 60_000,
  /** Window in which a body must move `bodyWindowBytesMin`: 1 KiB/s, below any link that is worth waiting for. */
  bodyWindowMs: 20_000,
  bodyWindowBytesMin: 20 * KiB,
  /** Bodies up to this are collected into one buffer and hashed at once. */
  bodyCollectBytesMax: 1 * MiB,
  /** Bytes of such bodies in one worker; beyond it bodies stream, and wait in the sender until the store takes them. */
  bodiesCollectBytesMax: 128 * MiB,
  /** First buffer of a body of unknown length. */
  bodyFirstBytes: 16 * KiB,
  /** Bytes of one upload that wait for the store before the sender is held. */
  bodyQueueBytes: 1 * MiB,
  /** Bytes of one download that wait in the socket before the store is held. */
  responseQueueBytes: 256 * KiB,
  /** After an early answer: rest of the body that is read so that the connection can live on. */
  earlyAnswerKeepBytes: 64 * KiB,
  /** After an early answer: how much of the body is read and dropped, and for how long, before the connection is closed. */
  discardBytesMax: 64 * MiB,
  discardMs: 10_000,
  retryAfterSeconds: 1,
  /** Requests under way in one worker: 64 clients of 16 connections. */
  s3RequestsMax: 1024,
  s3ConnectionsMax: 16_384,
  /** Members of one ListBuckets page (S3: 10,000). */
  listBucketsMax: 10_000,
  bucketTagsMax: 50,
  /** Settings of one bucket as JSON: CORS rules of 64 KiB and tags, every character escaped. */
  bucketSettingsBytesMax: 512 * KiB,

  // --- client ---
  /** Attempts in vain, one after the other: with the pauses between them about 15 s, longer than a gateway needs to start again. */
  clientAttemptsMax: 10,
  clientPauseMsMin: 50,
  clientPauseMsMax: 5000,
  /** One frame of up to 4 MiB, what describes it, and room. */
  clientMessageBytesMax: 8 * MiB,
  /** HTTP/2 window: several frames on their way, so that a round trip does not stop the stream. Bounds what waits for a slow reader. */
  clientWindowBytes: 4 * MiB,
  clientChannelsMax: 64,
  /** Slots of one GetBatch, and characters of their keys: a request stays well below 4 MiB. */
  clientBatchSlotsMax: 100_000,
  clientBatchKeyCharsMax: 1 * MiB,
  /** One object that is put together in memory; larger ones are streamed with `get`. */
  clientObjectBytesMax: 1 * GiB,
  /** Strict order: results that wait for an earlier slot that must be asked for again. */
  clientHeldBytesMax: 64 * MiB,
  /** Objects up to this go into frames of PutBatch, and this is the payload of one frame. */
  clientPutFrameBytes: 1 * MiB,
  clientPutFrameEntriesMax: 1024,
  /** Bytes and objects that were taken from the caller and have no result yet. */
  clientPutBytesMax: 64 * MiB,
  clientPutItemsMax: 4096,
  /** A stream of puts is ended and a new one begun after so many objects, so that a gateway can be replaced in the meantime. */
  clientPutStreamItems: 16_384,
  /** Nothing was acknowledged for so long: the stream is given up and its objects are sent again. */
  clientPutStallMs: 60_000,
  clientDeadlineMs: 60_000,

  // --- gRPC objects and ingest ---
  /** Calls of Objects under way in one worker, as many as requests over S3. */
  objectCallsMax: 1024,
  /** Calls of Put, and calls of PutBatch: each may hold a message of the size below while it waits. */
  putCallsMax: 256,
  /** One message of Put or PutBatch with everything in it. */
  putMessageBytesMax: 4 * MiB,
  /** Bytes of one GetChunk, below every client's default of 4 MiB. */
  getChunkBytes: 1 * MiB,
  /** A message of 1,000 keys of 1,024 bytes, with its bucket. */
  deleteMessageBytesMax: 1 * MiB + 64 * KiB,
  /** Requests that name one object, or a page: names, conditions and a token. */
  objectMessageBytesMax: 16 * KiB,
  /** Removals of one Delete at once: they share the flushes of a group. */
  deleteLanes: 128,
  /** A ListPage ends early when it has this many bytes: 1,000 objects with metadata and long keys would be 4 MB. */
  listMessageBytes: 1 * MiB,
  /** Entries of one PutFrame. */
  putFrameEntriesMax: 4096,
  /** Objects of one PutBatch whose results have not been sent: a client that does not read results is not read either. */
  putBatchItemsMax: 4096,
  /** Frames of one PutBatch that the store has not taken: one group is flushed while the next gathers. */
  putBatchBytesMax: 32 * MiB,
  /** The same for all calls of one worker. */
  putBatchesBytesMax: 128 * MiB,
  /** Memory of messages that is kept for the next ones; more of it only while it is used again and again. */
  messageSpareBytesMax: 16 * MiB,
  /** Results of one write to the wire: a few tens of KiB. */
  putResultsMax: 256,

  // --- batches over HTTP ---
  /** Body of a GetBatch: 100,000 keys of 160 bytes. */
  batchBodyBytesMax: 16 * MiB,
  /** Entries of one turn of the event loop, and the buffer for their bytes: 25 objects of 10 KiB. */
  batchFillEntries: 128,
  batchFillBytes: 256 * KiB,
  /** The buffer for heads, padding and small bodies: what one fill of small objects becomes. */
  batchOutBytes: 512 * KiB,
  /** Pairs of these buffers that a worker keeps for the next batches: 12 MiB. */
  batchBuffersKept: 16,
  /** Bodies up to this are copied behind their head. */
  batchCopyBytes: 32 * KiB,
  /** What one reference takes while its batch is sent: its key, and its places in the lists of front and store. */
  batchRefBytes: 512,
  /** The same for all batches of one worker, with their buffers: 290 of 256 objects, or 4 of 100,000. */
  batchesBytesMax: 256 * MiB,

  // --- content detection ---
  /** Elements and items of one DICOM header that are looked at: per-frame groups of 2,000 frames. */
  contentElementsMax: 262_144,
  /** Sequences and items of undefined length inside each other; structured reports have about 20. */
  contentDepthMax: 64,
  /** Text header of npy (numpy itself refuses more than 10,000 bytes), or of PNM with its comments. */
  contentTextBytesMax: 10_000,
  /** Directory entries of a TIFF file, and strips of its first image: more lines than an image has. */
  contentTiffFieldsMax: 1024,
  contentTiffStripsMax: 65_536,

  // --- coding ---
  /**
   * Sections of one coded payload, which bounds what a damaged table costs. Far fewer are made: frames share a section until it has more than 64 KiB,
   * and lines too long for a picture are cut every 65,535 samples, so that an extent has about 70.
   */
  codedSectionsMax: 1024,
  /** Headers of one series that a dictionary is made of, and their bytes: more of them gain nothing that was measured. */
  dictionaryHeadersMax: 4,
  dictionaryBytesMax: 128 * KiB,

  /** Coded payloads up to this are decoded whole when a range of them is asked for: 1 ms, and the next range costs nothing. */
  decodedWholeBytesMax: 256 * KiB,
  /** Dictionaries that a worker keeps: those of 256 series. */
  dictionariesCachedBytesMax: 32 * MiB,

  // --- codecs ---
  /** Bytes of one section that picture codecs take; longer ones are left to zstd. An extent, or a frame that was stored in one piece. */
  pictureBytesMax: 8 * MiB,
  /** A line or a column of a picture: the largest that a DICOM object can name. */
  pictureSideMax: 65_535,
  /** Dictionaries that one thread keeps prepared, for coding and for decoding: about 0.5 MiB each. */
  preparedDictionariesMax: 16,
  /** A WebAssembly module whose memory has grown beyond this is replaced by a fresh one after the call. It begins with 50 MiB. */
  wasmBytesMax: 128 * MiB,

  /** Dictionaries that the coding pass remembers for objects to come: those of 256 series. */
  seriesDictionariesBytesMax: 32 * MiB,

  // --- codec pool ---
  /** Threads of one pool; a worker has one, and the keeper. */
  codecThreadsMax: 4,
  /** One task of a codec thread, in items or in bytes of their originals, whichever is reached first. */
  codecTaskItemsMax: 16,
  codecTaskBytesMax: 1 * MiB,
  /** Work is spread over idle threads in tasks of at least this: waking a thread costs as much as decoding 10 KiB. */
  codecTaskBytesMin: 128 * KiB,
  /** Bytes of work that one pool has queued and under way, inputs and outputs: a batch of 16 extents. */
  codecBytesMax: 64 * MiB,
  /** What an item takes beside its bytes, rounded up, so that tiny ones are bounded too. */
  codecItemBytes: 2 * KiB,
  /** A task that takes longer hangs, and its thread is ended. The slowest chain takes a second for the largest task. */
  codecTaskMs: 60_000,
  /** The same on threads of the lowest priority, which get 1.5 % of a core that others keep busy. */
  codecBackgroundTaskMs: 10 * 60 * 1000,
  /** A thread without work ends after this and gives its memory back. */
  codecIdleMs: 30_000,
  /** What is under way when a pool closes has this long. */
  codecCloseMs: 2000,
  /** JavaScript heap of a codec thread, which holds no pixels: buffers and WASM memory lie outside it. */
  codecThreadHeapMB: 128,
  /** Dictionaries that a thread keeps: 128 of the largest. */
  codecDictionaryBytesMax: 16 * MiB,
} as const;

assert(LIMITS.extentBytes <= LIMITS.groupBytesMax, 'a group must hold at least one extent');
assert(LIMITS.groupBytesMax <= LIMITS.writeQueueBytesMax, 'the write queue must hold at least one group');
assert(LIMITS.extentBytes < LIMITS.volumeBytesMax, 'a volume must hold at least one extent');
assert(
  (LIMITS.objectBytesMax / LIMITS.extentBytes) * 24 <= LIMITS.manifestBytesMax,
  'a manifest must hold the extents of the largest object',
);
assert(LIMITS.partsMax * LIMITS.partBytesMax >= LIMITS.objectBytesMax, 'the largest object must be reachable by parts');
assert(LIMITS.drainIdleMs < LIMITS.drainMs, 'idle connections are given up before running responses');
assert(LIMITS.drainMs < LIMITS.shutdownMs, 'a drained worker must have time left to close its store');
assert(LIMITS.grpcPingTimeoutMs < LIMITS.grpcPingIntervalMs, 'one ping at a time');
assert(LIMITS.batchRefsMax < LIMITS.messageItemsMax, 'a batch that is too large hears so');
assert(LIMITS.putMessageBytesMax <= LIMITS.putBatchBytesMax, 'the largest frame must fit into the window of its call');
assert(LIMITS.putBatchBytesMax <= LIMITS.putBatchesBytesMax, 'one call must fit into the bound of its worker');
assert(
  LIMITS.batchFillBytes + LIMITS.batchOutBytes + LIMITS.batchRefsMax * LIMITS.batchRefBytes <= LIMITS.batchesBytesMax,
  'the largest batch must fit into the bound of its worker',
);
assert(LIMITS.grpcStreamWindowBytes <= LIMITS.grpcConnectionWindowBytes, 'one call can fill its window');
assert(
  LIMITS.grpcStreamsMax * LIMITS.batchFramesInFlight * LIMITS.batchFrameBytesMax <= LIMITS.grpcSessionMemoryMB * 1e6,
  'what the calls of a connection send fits its memory',
);
assert(LIMITS.codecTaskBytesMin <= LIMITS.codecTaskBytesMax, 'a task of a codec thread must reach its smallest size');
assert(2 * LIMITS.extentBytes <= LIMITS.codecBytesMax, 'a codec pool must hold an extent and what becomes of it');
assert(LIMITS.codecCloseMs < LIMITS.shutdownMs, 'a codec pool must close before a stop is given up');
