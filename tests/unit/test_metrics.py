"""/metrics: what a Prometheus server reads, checked by the format's own rules; counters that never fall."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from rtcengine.relay import Relay
from rtcengine.relay.metrics import Family, render, write
from rtcengine.stats import EngineStats, HubStats, LoopStats, ReceiverStats, SenderStats

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")


def read(text: str) -> dict[str, float]:
    """Samples by name and labels as written; fails on anything that the text format 0.0.4 does not allow."""
    assert text.endswith("\n")
    samples: dict[str, float] = {}
    described: list[str] = []
    kinds: dict[str, str] = {}
    for line in text.splitlines():
        if found := re.fullmatch(rf"# HELP ({NAME}) .+", line):
            assert found[1] not in described, "a family is described once"
            described.append(found[1])
        elif found := re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge)", line):
            assert found[1] == described[-1], "TYPE follows HELP"
            kinds[found[1]] = found[2]
        else:
            found = SAMPLE.fullmatch(line)
            assert found, line
            assert found[1] == described[-1], "samples of a family stand together, after its description"
            assert (kinds[found[1]] == "counter") == found[1].endswith("_total")
            key = line.rpartition(" ")[0]
            assert key not in samples, "a sample stands once"
            samples[key] = float(found[3])
    return samples


def hub(**counts: Any) -> HubStats:
    names = ["in_packets", "in_bytes", "out_packets", "out_bytes", "rtp_in", "rtp_out", "rtcp_in", "rtcp_out"]
    names += ["stun_in", "stun_out", "dtls_in", "dtls_out", "turn_in", "turn_out", "forwarded", "pool_used"]
    return {"now": 1.0, "drops": {}, **dict.fromkeys(names, 0), **counts}  # type: ignore[typeddict-item]


LOOP = LoopStats(
    cpu_seconds=1.25,
    steps=10,
    recv_calls=3,
    send_calls=4,
    kernel_drops=5,
    send_refused=6,
    window=0.0025,
    gso_runs=8,
    gso_datagrams=40,
    gso_refused=2,
    frames_refused=7,
    batches_refused=9,
    recv_buffer=(4194304, 212992),
    send_buffer=(4194304,),
)
RECEIVER = ReceiverStats(
    id=1,
    transport=1,
    ssrc=11,
    packets=100,
    bytes=1000,
    repeated=0,
    lost=3,
    jitter_s=0.0,
    rtx_packets=2,
    nacks=4,
    pli=5,
    fir=6,
    frames=9,
    key_frames=1,
    last=None,
    sr_n=0,
    sr_packets=0,
    sr_bytes=0,
    sr_ntp=0,
    sr_at=None,
)
SENDER = SenderStats(
    id=1,
    transport=2,
    ssrc=21,
    source=1,
    packets=90,
    bytes=900,
    rtx_packets=7,
    rtx_bytes=70,
    rtx_refused=0,
    nacks=8,
    pli=9,
    fir=10,
    lost=11,
    fraction_lost=0.0,
    jitter_s=0.0,
    rtt_us=0,
    reports=0,
    report=None,
    rtt_n=0,
    rtt_sum_us=0,
    remb_bps=0,
    waiting=False,
)


def stats(receivers: list[ReceiverStats], senders: list[SenderStats], **counts: Any) -> EngineStats:
    return EngineStats(
        hub=hub(**counts),
        loop=LOOP,
        transports={},
        receivers={r.id: r for r in receivers},
        senders={s.id: s for s in senders},
    )


@pytest.fixture
def relay() -> Relay:
    return Relay()


def test_every_count_is_where_it_belongs(relay: Relay) -> None:
    found = read(
        render(relay, stats([RECEIVER], [SENDER], rtp_in=51, rtp_out=52, forwarded=53, drops={"rtp_auth": 54, "send": 0}))
    )
    assert found['rtcengine_rtp_packets_total{dir="in"}'] == 51
    assert found['rtcengine_rtp_packets_total{dir="out"}'] == 52
    assert found["rtcengine_forwarded_packets_total"] == 53
    assert found['rtcengine_drops_total{reason="rtp_auth"}'] == 54
    assert found['rtcengine_drops_total{reason="send"}'] == 0
    assert found['rtcengine_rtp_bytes_total{dir="in"}'] == 1000
    assert found['rtcengine_rtp_bytes_total{dir="out"}'] == 900
    assert found['rtcengine_rtp_lost_total{dir="in"}'] == 3
    assert found['rtcengine_rtp_lost_total{dir="out"}'] == 11
    assert found['rtcengine_rtx_packets_total{dir="in"}'] == 2
    assert found['rtcengine_rtx_packets_total{dir="out"}'] == 7
    # Feedback goes against its media: what viewers ask comes in.
    assert found['rtcengine_nack_total{dir="in"}'] == 8
    assert found['rtcengine_nack_total{dir="out"}'] == 4
    assert found['rtcengine_pli_total{dir="in"}'] == 9
    assert found['rtcengine_fir_total{dir="out"}'] == 6
    assert found["rtcengine_cpu_seconds_total"] == 1.25
    assert found["rtcengine_kernel_drops_total"] == 5
    assert found["rtcengine_coalescing_seconds"] == 0.0025
    assert found["rtcengine_gso_runs_total"] == 8
    assert found["rtcengine_gso_datagrams_total"] == 40
    assert found["rtcengine_gso_refused_total"] == 2
    assert found['rtcengine_udp_buffer_bytes{dir="in"}'] == 212992, "the smallest counts"
    assert found['rtcengine_sessions{role="publish"}'] == 0
    assert found["rtcengine_rooms"] == 0


def test_counters_outlive_their_streams(relay: Relay) -> None:
    name = 'rtcengine_rtp_bytes_total{dir="out"}'
    assert read(render(relay, stats([], [SENDER])))[name] == 900
    assert read(render(relay, stats([], [replace(SENDER, bytes=950)])))[name] == 950
    assert read(render(relay, stats([], [])))[name] == 950
    assert read(render(relay, stats([], [replace(SENDER, id=2, bytes=10)])))[name] == 960


def test_losses_taken_back_are_not_counted_twice(relay: Relay) -> None:
    name = 'rtcengine_rtp_lost_total{dir="in"}'
    seen = [read(render(relay, stats([replace(RECEIVER, lost=lost)], [])))[name] for lost in (-2, 5, 3, 5, 6)]
    assert seen == [0, 5, 5, 5, 6]
    # A new SSRC in the same section counts its own losses from 0.
    assert read(render(relay, stats([replace(RECEIVER, ssrc=12, lost=2)], [])))[name] == 8


def test_relays_do_not_share_totals() -> None:
    first, second = Relay(), Relay()
    name = 'rtcengine_rtp_bytes_total{dir="in"}'
    assert read(render(first, stats([RECEIVER], [])))[name] == 1000
    assert read(render(second, stats([replace(RECEIVER, bytes=1)], [])))[name] == 1


def test_labels_and_help_are_escaped() -> None:
    text = write([Family("odd", "gauge", "a\\b\nc", [({"x": 'say "\\"\n'}, 1)])])
    assert text.splitlines() == [
        r"# HELP rtcengine_odd a\\b\nc",
        "# TYPE rtcengine_odd gauge",
        r'rtcengine_odd{x="say \"\\\"\n"} 1',
    ]
    assert list(read(text).values()) == [1]


async def test_of_a_running_relay() -> None:
    async with Relay(port=0, udp_port=0) as relay:
        found = read(render(relay, await relay.stats()))
        assert found["rtcengine_draining"] == 0
        assert found['rtcengine_udp_buffer_bytes{dir="in"}'] > 0
        assert {'rtcengine_drops_total{reason="rtp_replay"}', 'rtcengine_drops_total{reason="path"}'} <= found.keys()
        await relay.drain()
        assert read(render(relay, await relay.stats()))["rtcengine_draining"] == 1
