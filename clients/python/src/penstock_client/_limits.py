"""Every bound of the client, with its unit and its reason."""

KIB = 1024
MIB = 1024 * KIB

#: Attempts in vain, one after the other: with their pauses about 15 s, longer than a gateway needs to start again.
ATTEMPTS_MAX = 10
#: Pauses between attempts, in seconds; they double from one to the next.
PAUSE_MIN_S = 0.05
PAUSE_MAX_S = 5.0
#: Seconds for all of a call, attempts and pauses included, where the caller does not say.
TIMEOUT_S = 60.0

#: Bytes of one message: a frame of up to 4 MiB, what describes it, and room.
MESSAGE_BYTES_MAX = 8 * MIB
#: HTTP/2 window in bytes: several frames on their way, so that a round trip does not stop the stream.
WINDOW_BYTES = 4 * MIB
CHANNELS_MAX = 64
#: ``channels="auto"`` takes no more: one process cannot read more streams than that at once.
CHANNELS_AUTO_MAX = 4

#: Slots of one GetBatch, and characters of their keys: a request stays well below what the gateway takes.
BATCH_SLOTS_MAX = 100_000
BATCH_KEY_CHARS_MAX = 1 * MIB
#: Keys of advice in one request.
NEXT_KEYS_MAX = 4096
#: Bytes of one object that is put together in memory; larger ones are streamed.
OBJECT_BYTES_MAX = 1024 * MIB
#: Strict order: bytes of results that wait for an earlier slot that must be asked for again.
HELD_BYTES_MAX = 64 * MIB
#: Slots whose CRC was wrong so often are damaged, and not by chance.
CRC_FAILURES_MAX = 2

#: Objects up to this go into frames of PutBatch, and this is the payload of one frame, in bytes.
PUT_FRAME_BYTES = 1 * MIB
PUT_FRAME_ENTRIES_MAX = 1024
#: Bytes and objects that were taken from the caller and have no result that was fetched.
PUT_BYTES_MAX = 64 * MIB
PUT_ITEMS_MAX = 4096
#: A stream of puts ends after so many objects, so that a gateway can be replaced meanwhile.
PUT_STREAM_ITEMS = 16_384
#: Seconds without an acknowledgement after which a stream of puts is given up.
PUT_STALL_S = 60.0
#: Bytes of one message of a single put.
PUT_CHUNK_BYTES = 1 * MIB

#: Keys of one Delete, as the gateway takes them.
DELETE_KEYS_MAX = 1000
#: Head calls of ``stat_many`` that are under way at once.
HEADS_IN_FLIGHT = 64

#: Seconds that a token is good for; it is used for half of that.
TOKEN_LIFE_S = 15 * 60

#: Seconds that a fork waits for calls of other threads, so that gRPC is quiet. A frame takes milliseconds to come, an
#: acknowledgement as long as a busy disk needs for its flushes.
FORK_WAIT_S = 30.0
#: Seconds that it then waits for the threads that gRPC made for those calls.
GRPC_THREADS_S = 2.0
