"""Writes the seeds that have names (X/seeds/NAME): `python -m tests.fuzz.make_seeds`. They come from rtcengine's own writers
and the RFCs; each target's head comment tells its input's form. Seeds named by a hash were found by fuzzing and kept
by `python -m tests.fuzz.merge`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from struct import pack

from rtcengine import rtp

HERE = Path(__file__).resolve().parent
Seeds = Iterator[tuple[str, bytes]]

RFC5769 = {
    "request": "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff"
    "80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf",
    "ipv4": "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96",
    "ipv6": "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9fa"
    "a5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c",
    "long_term": "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b90000"
    "0015001c662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f726700"
    "00080014f67024656dd64a3e02b8e0712e85c9a28ca89666",
}
SIGN, FULL, DUE, WRONG, CONTROLLING = 1, 2, 4, 8, 16


def attribute(number: int, value: bytes) -> bytes:
    return pack("!HH", number, len(value)) + value + bytes(-len(value) % 4)


def stun_message(kind: int, *attributes: tuple[int, bytes]) -> bytes:
    body = b"".join(attribute(*a) for a in attributes)
    return pack("!HHI", kind, len(body), 0x2112A442) + b"transaction." + body


def stun() -> Seeds:
    for name, digits in RFC5769.items():
        yield f"rfc5769_{name}", b"\0" + bytes.fromhex(digits)
    user, priority, use = (0x0006, b"lfrg:rfrg"), (0x0024, b"\x6e\x7f\x1e\xff"), (0x0025, b"")
    controlling, controlled = (0x802A, b"\xff" * 8), (0x8029, bytes(8))
    mapped = (0x0020, pack("!BBHI", 0, 1, 5000 ^ 0x2112, 0xC0000201 ^ 0x2112A442))
    plain = (0x0001, pack("!BBHI", 0, 1, 5000, 0xC0000201))
    mapped6 = (0x0020, pack("!BBH", 0, 2, 5000 ^ 0x2112) + bytes(16))
    for name, kind, attributes in (
        ("request", 0x0001, (user, controlling, priority)),
        ("nominating", 0x0001, (user, controlling, priority, use)),
        ("conflict", 0x0001, (user, controlled, priority)),
        ("unknown", 0x0001, (user, controlling, priority, *((n, b"x") for n in range(0x30, 0x3A)))),
        ("wrong_user", 0x0001, ((0x0006, b"else:rfrg"), controlling, priority)),
        ("indication", 0x0011, (user,)),
        ("success", 0x0101, (mapped,)),
        ("success6", 0x0101, (mapped6,)),
        ("mapped", 0x0101, (plain,)),
        ("error", 0x0111, ((0x0009, b"\0\0\4\x57Role Conflict"),)),
        ("turn", 0x0103, ((0x0016, mapped[1]), (0x0012, mapped6[1]), (0x000D, pack("!I", 600)), (0x0015, b"n"))),
        ("realm", 0x0113, ((0x0009, b"\0\0\4\1"), (0x0014, b"r"), (0x0015, b"n"))),
        ("alternate", 0x0113, ((0x0009, b"\0\0\3\0why"), (0x8023, plain[1]), (0x8002, b"\0\2\0\0"), (0x001C, bytes(16)))),
        ("data", 0x0017, ((0x0012, mapped[1]), (0x0013, b"data"), (0x000C, b"\x40\0\0\0"), (0x0019, b"\x11\0\0\0"))),
    ):
        message = stun_message(kind, *attributes)
        yield name, b"\0" + message
        yield f"{name}_lite", bytes((SIGN,)) + message
        yield f"{name}_controlled", bytes((SIGN | FULL | DUE,)) + message
        yield f"{name}_controlling", bytes((SIGN | FULL | DUE | CONTROLLING,)) + message
        yield f"{name}_forged", bytes((SIGN | WRONG | FULL | DUE,)) + message


def turn() -> Seeds:
    def step(what: int, body: bytes = b"") -> bytes:
        return pack("!BH", what, len(body)) + body

    peer = attribute(0x0012, pack("!BBHI", 0, 1, 1 ^ 0x2112, 0x2112A442))
    data = stun_message(0x0017, (0x0012, peer[4:]), (0x0013, b"data"))
    allocated = {"md5": step(6) + step(5), "sha256": step(6 | 1 << 5) + step(5)}
    for name, begin in allocated.items():
        for mode in (0, 1, 2):
            yield f"{name}_{mode}", bytes((mode,)) + begin
        sent = step(3, b"check") + step(5) + step(3 | 8, b"hello") + step(5) + step(3 | 8, b"again")
        received = step(0, data) + step(0, b"\x40\0\0\4data")
        yield f"{name}_data", b"\0" + begin + sent + received + step(4 | 8, bytes(700)) + step(5)
        yield f"{name}_stream", b"\1" + begin + sent + step(0, b"\x40\0\0\3abc\0") + step(7 | 128) + step(5)
        yield f"{name}_stale", b"\0" + begin + step(3, b"check") + step(6 | 16 | 1 << 5) + step(5) + step(4, bytes(1000))
    error = attribute(0x0009, b"\0\0\3\0why") + attribute(0x8023, pack("!BBHI", 0, 1, 3478, 0xC0000201))
    yield "alternate", b"\0" + step(6) + step(1, b"\x01\x13" + error)
    yield "unsigned", b"\0" + step(6) + step(2, b"\x01\x13" + error) + step(4, bytes(1399))
    mismatch = attribute(0x0009, b"\0\0\4\x25")
    yield "mismatch", b"\0" + step(6) + step(1, b"\x01\x13" + mismatch) + step(4, bytes(150)) + step(5)
    yield "forgotten", b"\0" + step(6) + step(5) + step(3, b"x") + step(1, b"\x01\x18" + mismatch)
    forbidden = step(1, b"\x01\x18" + attribute(0x0009, b"\0\0\4\3"))
    yield "refused", b"\0" + step(6) + step(5) + step(3, b"x") + forbidden + step(3, b"x")


EXTENSIONS: dict[str | int, bytes] = {1: b"0", 2: b"hi", 4: b"\1\2\3", 5: b"\0\1", 6: b"\x85"}


def rtp_seeds() -> Seeds:
    def packet(**changes: object) -> bytes:
        fields: dict[str, object] = {"payload_type": 96, "sequence_number": 65535, "timestamp": 1, "ssrc": 2}
        return rtp.RtpPacket(**(fields | changes)).serialize()  # type: ignore[arg-type]

    yield "empty", packet()
    yield "plain", packet(payload=b"\x90\x80\x80\x01\x10", marker=True)
    yield "csrcs", packet(payload=b"abc", csrcs=list(range(15)))
    yield "one_byte", packet(payload=b"abc", extensions=EXTENSIONS)
    yield "two_byte", packet(payload=b"abc", extensions=EXTENSIONS | {14: bytes(40)})
    yield "other", packet(payload=b"abc", other_extension=(0x1234, bytes(8)))
    yield "padding", packet(payload=b"abc", padding=5)
    yield "all_padding", packet(padding=255, extensions=EXTENSIONS, csrcs=[1])
    for codec in range(5):
        yield f"codec_{codec}", packet(payload_type=96 + codec, payload=b"\x90\x80\x80\x01\x10" + bytes(8))
    yield "id_15", b"\x90\x60\0\1" + bytes(8) + b"\xbe\xde\0\2\x10a\x20b\xf0x\x30c" + b"payload"


def rtpext() -> Seeds:
    ids = bytes(range(1, 15))
    one = b"\xbe\xde" + b"\x10a\x22bcd\0\0\x4012\x5134\0"
    two = b"\x10\0" + b"\1\1a\2\3bcd\0\0\4\0\5\x20" + bytes(32)
    yield "one_byte", b"\0\x40" + ids + one
    yield "two_byte", b"\1\x40" + ids + two
    yield "moved", b"\3\x40" + ids + two
    yield "left_out", b"\0\x40" + ids + two
    yield "small_room", b"\1\3" + ids + two
    yield "high_ids", b"\1\x40" + bytes(range(240, 254)) + b"\x10\x0f\xf0\2ab\xfd\1c"
    yield "same_id", b"\1\x40" + b"\1" * 14 + one
    yield "id_15", b"\0\x40" + ids + b"\xbe\xde\x10a\xf0x\x20b"
    yield "unknown", b"\0\x40" + ids + b"\x12\x34abcd"


def depdesc() -> Seeds:
    browser = (
        "c1017280081485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c002a000a80006000040001d954926e082b04a0941b820ac12"
        "82503157f974000ca864330e222222eca8655304224230eca877530077004200ef008601df010d"
    )
    after = ("86017340fc", "46017340fc", "c3017540fc", "88017640fc", "860173", "0b0174")
    one, custom = "c0000180003a410100", "8100022108210840"
    for name, each in (
        ("browser", (browser, *after)),
        ("one_layer", (one, "c10002", "810003", "410003")),
        ("custom", (one, custom, "81000411ffc0", "81000409ff")),
        ("active", (one, "8100024080", "810003")),
        ("twice", (browser, one, *after)),
        ("short", ("8000", "", browser[:60])),
    ):
        yield name, b"".join(bytes([len(data)]) + data for data in map(bytes.fromhex, each))


REPORT = rtp.ReportBlock(7, 25, -3, 70000, 90, 0x12345678, 65536)
FEEDBACK: list[rtp.RtcpPacket] = [
    rtp.SenderReport(1, 0xE0000000_80000000, 90000, 10, 1000, [REPORT]),
    rtp.ReceiverReport(1, [REPORT] * 3),
    rtp.SourceDescription(1, "cname"),
    rtp.Nack(1, 2, [1, 2, 18, 65535, 0]),
    rtp.PictureLossIndication(1, 2),
    rtp.FullIntraRequest(1, [(2, 3), (4, 5)]),
    rtp.ReceiverEstimatedMaximumBitrate(1, 2_500_000, [2, 3]),
    rtp.TransportFeedback(1, 2, 65530, [1000, None, 2000, 300000, 299000, None, None, 400000], 9),
    rtp.Goodbye([1, 2]),
    rtp.OtherPacket(204, 1, b"\0\0\0\1nameabcd"),
    rtp.OtherPacket(207, 0, b"\0\0\0\1\4\0\0\2" + bytes(8)),
    rtp.OtherPacket(205, 11, bytes(12)),
]


def rtcp() -> Seeds:
    for packet in FEEDBACK:
        name = f"{type(packet).__name__}_{packet.packet_type}" if isinstance(packet, rtp.OtherPacket) else type(packet).__name__
        yield name, b"\1" + rtp.serialize_compound([packet])
    yield "compound", b"\1" + rtp.serialize_compound(FEEDBACK[:3] + FEEDBACK[3:6])
    yield "small_cap", b"\4" + rtp.serialize_compound(FEEDBACK)
    yield "padded", b"\1" + b"\xa1\xcd\0\4" + pack("!IIHH", 1, 2, 5, 0xFFFF) + b"\0\0\0\4"
    yield "bye_reason", b"\1" + b"\x81\xcb\0\3\0\0\0\1\5going\0\0"
    yield "sdes_items", b"\1" + b"\x82\xca\0\6\0\0\0\1\2\1x\0\0\0\0\2\1\3abc\3\1y\0\0\0\0"
    yield "unknown_type", b"\1" + b"\x80\xc0\0\1abcd" + rtp.serialize_compound([rtp.Goodbye([1])])


def twccfb() -> Seeds:
    def fb(arrivals: list[int | None]) -> bytes:
        return b"\0\x0f\xff" + rtp.serialize_compound([rtp.TransportFeedback(1, 2, 65530, arrivals, 9)])

    yield "read_run", fb([1000 * i for i in range(40)])
    yield "read_lost", fb([None] * 30 + [5])
    yield "read_one_bit", fb([1000 * i if i % 3 else None for i in range(40)])
    yield "read_two_bit", fb([None if i % 3 == 0 else 100_000 * i - 50_000 * (i % 2) for i in range(40)])
    yield "read_lie", b"\0\x0f\xff" + b"\x8f\xcd\0\5" + pack("!IIHH", 1, 2, 0, 65535) + b"\0\0\1\0\x20\x03\4\4"
    yield "read_reserved", b"\0\x0f\xff" + b"\x8f\xcd\0\5" + pack("!IIHH", 1, 2, 0, 2) + b"\0\0\1\0\x60\x02\4\4"
    yield "write_run", b"\1\x05\xdc\0\0" + b"\xf8\4" * 4
    yield "write_mixed", b"\1\x05\xdc\xff\xf0" + b"\0\4\1\0\4\2\x7f\xff\4\x7f\2\x80\0\1\0\1" * 8
    yield "write_small_room", b"\1\0\x1c\0\0" + b"\x38\4\1\2\x10\0" * 9
    yield "write_far", b"\1\x05\xdc\0\0" + b"\4\x7f\4\x7f\xfc\x7f\0\1"


def srtp() -> Seeds:
    def seal(rtcp: bool, pick: int, plain: bytes, jump: int = 0) -> bytes:
        return bytes((4 if rtcp else 2, pick)) + pack("!HH", jump, len(plain)) + plain

    media = seal(False, 0, bytes(40))
    report = seal(True, 0, b"\x80\xc9\0\1" + bytes(8))
    deliver = [bytes((5 | i << 3,)) for i in range(32)]
    for profile in range(3):
        head = bytes((profile,))
        yield f"in_order_{profile}", head + media + deliver[0] + media + deliver[1] + report + deliver[2]
        yield f"replayed_{profile}", head + (media + report) * 2 + b"".join(deliver[:4] * 2)
        yield f"reordered_{profile}", head + media * 8 + b"".join(reversed(deliver[:8])) + media + deliver[8]
        change = b"\7\0\5\x81\x0f\0\5\x81\7\0\5\0\7\0\5\x40\x0f\0\5\0"
        yield f"changed_{profile}", head + media + report + change + deliver[0] * 2
        yield (
            f"rolled_over_{profile}",
            head + b"".join(seal(False, 0x40, bytes(20), 32000) + deliver[i] for i in range(8)) + deliver[0],
        )
        yield f"sources_{profile}", head + b"".join(seal(False, i, bytes(20)) + deliver[i] for i in range(3))
        yield f"same_index_{profile}", head + media + seal(False, 0x80, bytes(40), 1) + deliver[0]
    yield "extension", b"\0" + seal(False, 0, b"\x91\x60" + bytes(14) + b"\xbe\xde\0\1\x10a\0\0payload") + deliver[0]
    yield "no_room", b"\0" + seal(False, 8, bytes(40)) + seal(True, 8, bytes(40))
    yield "noise", b"\0\0\0\x20\x80" + bytes(31) + b"\1\0\x20\x80\xc9" + bytes(30)


def payload() -> Seeds:
    looks = {
        1: ["78616263"],
        2: ["10009d012a", "90f08123056101", "80801100"],
        3: ["8f812300", "bc01200102", "0a3810014000f001040100", "d90542030200"],
        4: ["65616263", "6742", "180002674200026588", "7c85616263", "7c45616263", "61616263"],
        9: ["40010c", "2601af", "260120", "6001000340010c000342010c", "620193af", "620113af", "620153af", "0201d0", "c201d0"],
        5: ["180a0b000000", "280212000a0100", "90616263", "103200", "00021200360001"],
    }
    for codec, payloads in looks.items():
        for i, data in enumerate(payloads):
            yield f"look_{codec}_{i}", bytes((codec,)) + bytes.fromhex(data)
    for name, data in {
        "one": "87 02 80 0e 05" + "aa" * 98,
        "two": "ef 1e 00 02 ef 0f 00 01 6f a1 a2 b1 c1 c2 c3",
        "own": "6f c1 c2",
        "empty": "ef 0f 00 00 6f",
        "most": "ef 00 00 00" * 31 + "6f",
        "too_many": "ef 00 00 00" * 32 + "6f",
        "cut": "ef 0f 00 02 6f aa",
    }.items():
        yield f"red_{name}", b"\x01" + bytes.fromhex(data)
    yield "split_opus", b"\x81" + pack("!HH", 1200, 0) + bytes(100)
    yield "split_opus_too_long", b"\x81" + pack("!HH", 64, 0) + bytes(100)
    yield "split_vp8", b"\x82" + pack("!HH", 100, 0x8001) + bytes(500)
    yield "split_small", b"\x82" + pack("!HH", 63, 1) + bytes(50)
    yield "split_vp9", b"\x83" + pack("!HH", 70, 1) + b"\x86" + bytes(150)
    for name, frame in {
        "key": "12 00 0a 02 00 00 32 46 10" + "ff" * 69,
        "frame": "32 80 02 30" + "aa" * 255,
        "layers": "36 08 3c 10" + "55" * 59 + "36 10 3c 10" + "55" * 59,
        "small": "2a 00 2a 01 01 2a 02 01 02 7a 01 00 42 01 00 1a 03 00 01 02 22 05 01 02 03 04 05",
        "no_size": "30 00 00",
        "lies": "32 7f 00",
    }.items():
        yield f"split_av1_{name}", b"\x85" + pack("!HH", 64, 1) + bytes.fromhex(frame)
    sets = b"\0\0\0\1\x67\x42\xc0\0\0\0\1\x68\xce\x38"
    for name, frame in {
        "sets": sets + b"\0\0\1\x65\x88" + b"\xff" * 20,
        "parts": b"\0\0\1\x65\x88" + b"\xff" * 200 + sets,
        "slices": b"".join(b"\0\0\1\x41" + b"\x9a" * n for n in (61, 30, 29, 64, 62)),
        "ends": b"\0\0\0\0\1\x0c\xff\x80\0\0\1\x41\x9a\0\0\0\1\x0b\0\0\1\x0a\0\0",
        "refused": b"\0\0\1\x41\x9a\0\0\1\x7c\x85\x88",
        "no_code": b"\x65\x88\0\0\1\x41\x9a",
    }.items():
        yield f"split_h264_{name}", b"\x84" + pack("!HH", 64, 0) + frame
        yield f"split_h264_alone_{name}", b"\x84" + pack("!HH", 64, 0x4000) + frame


def dtls() -> Seeds:
    step, lose, send_client, send_server, close = b"\3", b"\4", b"\6", b"\x86", b"\7"
    yield "undisturbed", b"\0" + step * 8 + send_client + send_server + step * 2
    yield "client_closes", b"\0" + step * 8 + close + step * 2
    yield "server_closes", b"\0" + step * 8 + b"\x87" + step * 2
    yield "lost_flights", b"\0" + b"".join(step + lose for _ in range(6)) + step * 8
    yield "gives_up", b"\1" + lose * 63
    yield "other_server", b"\x08" + step * 8
    yield "other_client", b"\x10" + step * 8
    yield "doubled", b"\0" + b"\x0d" + step * 8 + send_client + step
    yield "reversed", b"\0" + b"\x15" + step * 8
    yield "by_record", b"\0" + b"\x35" + step * 8
    yield "too_early", b"\0" + send_client + send_server + b"\x87"
    for i in range(8):
        before = bytes((i,))
        yield f"byte_changed_{i}", before + b"\1\0\0\x0d\1\xff" + step * 4
        yield f"cut_{i}", before + b"\2\x80\0\x20\0" + step * 4
        yield f"tail_{i}", before + b"\2\x40\0\0\x0e" + b"\x16\xfe\xfd" + bytes(8) + b"\0\1\0" + step * 4
        yield f"alert_{i}", before + b"\0\0\x0f" + b"\x15\xfe\xfd" + bytes(8) + b"\0\2\2\x28" + step * 4
        yield f"alert_to_server_{i}", before + b"\x80\0\x0f" + b"\x15\xfe\xfd" + bytes(8) + b"\0\2\2\x28" + step * 4
        finished = b"\x80\0\x1d" + b"\x16\xfe\xfd\0\1" + bytes(6) + b"\0\x10" + bytes(16)
        yield f"next_epoch_{i}", before + finished * 4 + step * 4
        yield f"ccs_{i}", before + b"\x80\0\x0e" + b"\x14\xfe\xfd" + bytes(8) + b"\0\1\1" + step * 4

    def sealed(content: int, epoch: int, number: int, size: int) -> bytes:
        """An operation: a record of a later epoch to the server, which nobody has sealed."""
        record = pack("!BHHHIH", content, 0xFEFD, epoch, 0, number, size) + bytes(size)
        return b"\x80" + pack("!H", len(record)) + record

    for size in (1, 2, 8, 23, 24, 25):  # too short for nonce and tag: the end of an association with OpenSSL 3.0.20
        shorts = b"".join(sealed(content, 1, content, size) for content in (20, 21, 22, 23, 24))
        yield f"short_{size}", b"\0" + step * 8 + shorts + send_client + step * 2
        yield f"short_early_{size}", b"\1" + shorts + step * 8
    for content in (20, 21, 22, 23):  # 17 KB each in OpenSSL 3.0.20
        yield f"later_epochs_{content}", b"\1" + b"".join(sealed(content, 1, i, 30) for i in range(55)) + step * 8

    def fragment(number: int, message: int) -> bytes:
        """An operation: a record with 4 bytes of a handshake message to the server."""
        body = b"\1" + message.to_bytes(3) + pack("!H", number) + bytes(3) + b"\0\0\4" + b"abcd"
        record = b"\x16\xfe\xff" + bytes(6) + pack("!HH", number, len(body)) + body
        return b"\x80" + pack("!H", len(record)) + record

    yield "fragment", b"\0" + fragment(0, 1500)
    yield "many_fragments", b"\0" + b"".join(fragment(i, 4096) for i in range(12))
    for message in (6144, 16000):
        yield f"large_fragments_{message}", b"\0" + b"".join(fragment(i, message) for i in range(12))


def hub() -> Seeds:
    def record(what: int, data: bytes) -> bytes:
        return bytes((what,)) + pack("!H", len(data)) + data

    def media(codec: int, number: int, payload: bytes, pt: int = 0, **more: object) -> bytes:
        packet = rtp.RtpPacket(pt or 96 + codec, number, 3000 * number, codec, payload, **more)  # type: ignore[arg-type]
        raw = bytearray(packet.serialize())
        raw[8] = codec  # the source is made from this byte
        return record(1, bytes(raw))

    wait = record(6, bytes(200))
    keys = (b"opus", b"\x90\x80\x81\x01\x10", b"\x8f\x81\x23\x00", b"\x65abc", b"\x18\x0a\x0b\x00\x00\x00")
    for codec, first in enumerate(keys):
        extensions: dict[str | int, bytes] = {1: str(codec).encode(), 4: b"\1\2\3", 5: b"\0\1"}
        stream = b"".join(media(codec, i, first, marker=True, extensions=extensions) + wait for i in range(4))
        yield f"stream_{codec}", stream
        yield f"gap_{codec}", stream + media(codec, 9, first, extensions=extensions) + wait * 3
        yield f"rtx_{codec}", stream + media(codec + 10, 1, b"\0\5" + first, extensions=extensions)
        commands = (record(7 | (codec % 4) << 5, b""), record(0x17, b""), record(0x1F, b""))
        yield f"key_frame_{codec}", stream + wait.join(commands)
    doubled = bytes.fromhex("e0 5d c0 04 e0 2e e0 04 60") + b"oldeoldrsound"
    sound = media(0, 1, b"opus", extensions={1: b"0"}) + media(0, 4, doubled, 63)
    yield "red", sound + media(0, 5, b"\xe0\x2e", 63) + wait
    base = media(1, 1, keys[1], extensions={1: b"1", 5: b"\0\1"}) + wait
    for peer in (0, 0x80):
        for i, packet in enumerate(FEEDBACK):
            raw = bytearray(rtp.serialize_compound([packet]))
            raw[4] = 1
            yield f"rtcp_{i}_{peer}", base + record(4 | peer, bytes(raw)) + wait
        yield f"stun_{peer}", record(peer, stun_message(1, (0x0006, b"fuza:x"), (0x0024, b"abcd")))
        yield f"dtls_{peer}", record(peer, b"\x16\xfe\xfd" + bytes(8) + b"\0\4abcd")
        yield f"noise_{peer}", b"".join(record(peer, bytes((b,)) + bytes(30)) for b in (0, 19, 20, 64, 127, 128, 255))
    yield "silence", base + record(6 | 8, bytes(1300)) * 5


HEAD = ("v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0")
FINGERPRINT = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)


def sdp() -> Seeds:
    """What the browsers' offers under tests/vectors/sdp, which are seeds too, do not have."""
    candidates = (
        "a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host generation 0 ufrag abcd network-cost 999",
        "a=candidate:2 1 TCP 1 2001:db8::1 9 typ srflx raddr :: rport 9 tcptype active",
        "a=candidate:3 2 udp 1 name.local 65535 typ relay",
    )
    ice = ("a=ice-ufrag:abcd", "a=ice-pwd:" + "p" * 24)
    for i, candidate in enumerate(candidates):
        yield f"candidate_{i}", candidate.encode()
    section = ("m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0")
    fragment = (*ice, "a=ice-lite", "a=ice-options:trickle ice2", "a=group:BUNDLE 0 1", *section, *candidates)
    yield "fragment", "\r\n".join((*fragment, "m=video 0 RTP/AVP 0", "a=mid:1", "a=end-of-candidates", "")).encode()
    yield "fragment_simple", "\n".join((*ice, candidates[0], "a=end-of-candidates")).encode()
    session = (*HEAD, "i=x", "u=x", "e=x", "p=x", "c=IN IP6 ::1", "b=AS:100", "r=7d 1h 0 25h", "z=0 -1h", "k=clear:x")
    security = (*ice, FINGERPRINT, "a=setup:actpass", "a=tls-id:" + "t" * 20, "a=rtcp-mux")
    layers = (
        *("m=video 9 UDP/TLS/RTP/SAVPF 96 97 98", "c=IN IP4 0.0.0.0", "a=mid:v", "a=sendonly", *security),
        *("a=rtpmap:96 VP8/90000", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96;rtx-time=3000", "a=rtpmap:98 H264/90000"),
        *("a=fmtp:98 profile-level-id=42e01f;packetization-mode=1", "a=rtcp-fb:* nack", "a=rtcp-fb:96 ccm fir"),
        *("a=rid:a send pt=96;max-width=320", "a=rid:b send", "a=rid:c recv", "a=simulcast:send a;~b recv c"),
        *("a=ssrc:1 cname:x", "a=ssrc:1 msid:s t", "a=ssrc:2 cname:x", "a=ssrc-group:FID 1 2", "a=msid:s t"),
        *("a=extmap:1/recvonly urn:x y", "a=extmap:14 urn:ietf:params:rtp-hdrext:sdes:mid", "a=extmap-allow-mixed"),
        *("a=ptime:20", "a=maxptime:60", "a=rtcp:9 IN IP4 0.0.0.0", "a=rtcp-rsize", "a=bundle-only", "a=unknown:x"),
    )
    data = ("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:d", *security, "a=sctp-port:5000")
    data += ("a=max-message-size:262144",)
    yield "simulcast", "\r\n".join((*HEAD, "a=group:BUNDLE v", *layers, *candidates, "")).encode()
    yield "session", "\r\n".join((*session, "a=group:LS v", "a=ice-lite", *layers, "")).encode()
    yield "data", "\r\n".join((*HEAD, "a=group:BUNDLE d v", *data, *layers, "")).encode()
    yield "rejected", "\r\n".join((*HEAD, "m=audio 0 RTP/SAVP 0 8", "a=crypto:1 x inline:x", "a=inactive", "")).encode()


MAKERS = {
    "sdp": sdp,
    "stun": stun,
    "turn": turn,
    "rtp": rtp_seeds,
    "rtpext": rtpext,
    "depdesc": depdesc,
    "rtcp": rtcp,
    "twccfb": twccfb,
    "srtp": srtp,
    "payload": payload,
    "dtls": dtls,
    "hub": hub,
}


def main() -> None:
    for target, maker in MAKERS.items():
        folder = HERE / target / "seeds"
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in maker():
            (folder / name).write_bytes(data)
        files = list(folder.iterdir())
        print(f"{target}: {len(files)} seeds, {sum(f.stat().st_size for f in files)} bytes")


if __name__ == "__main__":
    main()
