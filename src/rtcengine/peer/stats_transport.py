"""Statistics of a link: transport, certificates, candidates and the pair in use."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from typing import Any

from ..engine import Address, OneTransportStats
from ..types import Candidate, DtlsRole
from .link import Link, at, based
from .stats_types import (
    RTCCertificateStats,
    RTCIceCandidatePairStats,
    RTCIceCandidateStats,
    RTCStats,
    RTCStatsReport,
    RTCTransportStats,
    wall_ms,
)

# Of IANA's registry of DTLS-SRTP protection profiles (RFC 5764 §4.1.2, RFC 7714 §14.2).
_PROFILES = {0x0001: "SRTP_AES128_CM_HMAC_SHA1_80", 0x0007: "SRTP_AEAD_AES_128_GCM", 0x0008: "SRTP_AEAD_AES_256_GCM"}
DTLS_1_2 = "FEFD"
"""The one version that is spoken (RFC 6347 §4.1)."""
_HAS_PAIR = {"connected", "completed", "disconnected"}


class TransportRows:
    """Of one link. What cannot change is made once."""

    def __init__(self, link: Link, own: RTCStats) -> None:
        self.id = f"T{link.id}"
        self._link = link
        self._certificates = [own]  # ours, then the peer's and those that issued it
        self._local: list[tuple[Candidate, RTCStats]] = []
        self._remote: list[tuple[Candidate, RTCStats]] = []
        self._made = 0
        self._pair: RTCStats = RTCIceCandidatePairStats()
        self._between: tuple[Any, ...] = ()  # what that pair was made of

    def add(self, report: RTCStatsReport, rows: OneTransportStats | None, now: float) -> None:
        """`rows`: what the engine counted, None when its transport is gone."""
        link = self._link
        found = report[self.id] = RTCTransportStats(
            id=self.id,
            type="transport",
            timestamp=now,
            dtlsState=link.dtls_state,
            iceState=link.ice_state,
            iceLocalUsernameFragment=link.ufrag,
            iceRole="controlling" if link.transport.controlling else "controlled",
            localCertificateId=self._certificates[0]["id"],
        )
        if link.role is not None:
            found["dtlsRole"] = "client" if link.role is DtlsRole.CLIENT else "server"
        self._add_certificates(report, found, now)
        self._local = self._candidates(report, "local-candidate", self._local, link.local, now)
        self._remote = self._candidates(report, "remote-candidate", self._remote, link.remote, now)
        if rows is None:
            return
        row = rows.transport
        found["packetsSent"], found["bytesSent"] = row["out_packets"], row["out_bytes"]
        found["packetsReceived"], found["bytesReceived"] = row["in_packets"], row["in_bytes"]
        if row["srtp_profile"]:
            found["srtpCipher"] = _PROFILES[row["srtp_profile"]]
        if row["connected"] and len(self._certificates) > 1:
            found["tlsVersion"] = DTLS_1_2
        if row["remote"] is not None and link.ice_state in _HAS_PAIR:
            self._add_pair(report, found, row, now)

    def _add_certificates(self, report: RTCStatsReport, transport: RTCStats, now: float) -> None:
        theirs = self._link.transport.remote_certificates
        if len(theirs) != len(self._certificates) - 1:
            made: list[RTCStats] = []
            for der in reversed(theirs):  # each was issued by the next
                made.insert(0, certificate(der, made[0]["id"] if made else None))
            self._certificates[1:] = made
        for one in self._certificates:
            report[one["id"]] = RTCCertificateStats(one, timestamp=now)
        if theirs:
            transport["remoteCertificateId"] = self._certificates[1]["id"]

    def _candidates(
        self,
        report: RTCStatsReport,
        kind: str,
        made: list[tuple[Candidate, RTCStats]],
        told: Sequence[Candidate],
        now: float,
    ) -> list[tuple[Candidate, RTCStats]]:
        if len(made) != len(told) or any(had is not one for (had, _), one in zip(made, told, strict=True)):
            before = dict(made)
            made = [(one, before[one] if one in before else self._candidate(kind, one)) for one in told]
        for _, stats in made:
            report[stats["id"]] = RTCIceCandidateStats(stats, timestamp=now)
        return made

    def _candidate(self, kind: str, candidate: Candidate) -> RTCStats:
        self._made += 1
        found = RTCIceCandidateStats(
            id=f"{kind[0].upper()}{self._link.id}_{self._made}",
            type=kind,
            timestamp=0.0,
            transportId=self.id,
            address=candidate.address,
            port=candidate.port,
            protocol=candidate.protocol,
            candidateType=candidate.type,
        )
        if candidate.type != "prflx":
            found["priority"], found["foundation"] = candidate.priority, candidate.foundation
        if candidate.related_address is not None:
            found["relatedAddress"], found["relatedPort"] = candidate.related_address, candidate.related_port
        if candidate.tcp_type is not None:
            found["tcpType"] = candidate.tcp_type
        if candidate.ufrag is not None:
            found["usernameFragment"] = candidate.ufrag
        return found

    def _add_pair(self, report: RTCStatsReport, transport: RTCStats, row: dict[str, Any], now: float) -> None:
        between = (row["local"], row["remote"], self._link.transport.tcp, len(self._local), len(self._remote))
        if between != self._between:
            self._between, self._pair = between, self._make_pair(*between[:3])
        if not self._pair:
            return
        found = report[self._pair["id"]] = RTCIceCandidatePairStats(self._pair, timestamp=now, nominated=row["nominated"])
        transport["selectedCandidatePairId"] = found["id"]
        found["packetsSent"], found["bytesSent"] = row["pair_packets_out"], row["pair_bytes_out"]
        found["packetsReceived"], found["bytesReceived"] = row["pair_packets_in"], row["pair_bytes_in"]
        found["requestsSent"], found["responsesReceived"] = row["pair_requests"], row["pair_answers"]
        found["requestsReceived"], found["responsesSent"] = row["pair_requests_in"], row["pair_answers_out"]
        found["consentRequestsSent"], found["totalRoundTripTime"] = row["pair_consents"], row["pair_rtt_sum_us"] / 1e6
        if row["pair_rtt_us"]:
            found["currentRoundTripTime"] = row["pair_rtt_us"] / 1e6
        if row["heard"]:
            found["lastPacketReceivedTimestamp"] = wall_ms(row["heard"] / 1e6)
        for one in (self._pair_local, self._pair_remote):
            if one["id"] not in report:
                report[one["id"]] = RTCIceCandidateStats(one, timestamp=now)

    def _make_pair(self, base: Address | None, address: Address, tcp: bool) -> RTCStats:
        ours = based([one for one, _ in self._local], base, tcp)
        if ours is None:
            return RTCIceCandidatePairStats()
        local = next(stats for one, stats in self._local if one is ours)
        theirs = at([one for one, _ in self._remote], address, tcp)
        remote = next((stats for one, stats in self._remote if one is theirs), None)
        if remote is None:
            remote = self._candidate("remote-candidate", theirs)
        self._pair_local, self._pair_remote = local, remote
        return RTCIceCandidatePairStats(
            id=f"CP{local['id']}_{remote['id']}",
            type="candidate-pair",
            timestamp=0.0,
            transportId=self.id,
            localCandidateId=local["id"],
            remoteCandidateId=remote["id"],
            state="succeeded",
        )


@functools.lru_cache(maxsize=64)
def _texts(der: bytes) -> tuple[str, str]:
    return hashlib.sha256(der).hexdigest(), base64.b64encode(der).decode()


def certificate(der: bytes, issuer: str | None) -> RTCStats:
    """Without its time."""
    digest, text = _texts(der)
    fingerprint = ":".join(digest[i : i + 2] for i in range(0, len(digest), 2)).upper()
    found = RTCCertificateStats(id=f"CF{digest}", type="certificate", timestamp=0.0, fingerprint=fingerprint)
    found["fingerprintAlgorithm"], found["base64Certificate"] = "sha-256", text
    if issuer is not None:
        found["issuerCertificateId"] = issuer
    return found
