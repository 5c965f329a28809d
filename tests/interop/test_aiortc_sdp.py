"""aiortc's own tests of its SDP, asked of ours: its file as it is, with aiortc_sdp.py imported for aiortc.sdp. Those of
H.264's profiles are asked in our words."""

from __future__ import annotations

import re
import types
import unittest

import pytest

from rtcengine.sdp import Codec, h264
from rtcengine.sdp.h264 import Profile
from tests.interop.aiortc_source import source

NAMES = (
    "test_audio_chrome test_audio_dtls_session_level test_audio_firefox test_audio_freeswitch test_audio_freeswitch_no_dtls "
    "test_audio_ice_lite test_audio_ice_session_level_credentials test_audio_rtcp_without_port test_datachannel_firefox "
    "test_datachannel_firefox_63 test_safari test_video_chrome test_video_firefox test_video_session_star_rtcp_fb"
).split()


@pytest.fixture(scope="module")
def suite() -> type[unittest.TestCase]:
    text = (source() / "tests" / "test_sdp.py").read_text()
    text = re.sub(r"^from aiortc\.sdp import \([^)]*\)", "from tests.interop.aiortc_sdp import *", text, flags=re.MULTILINE)
    text = text.replace("from .utils import lf2crlf", 'lf2crlf = lambda text: text.replace("\\n", "\\r\\n")')
    module = types.ModuleType("aiortc_test_sdp")
    exec(compile(text, "aiortc/tests/test_sdp.py", "exec"), module.__dict__)
    found: type[unittest.TestCase] = module.SdpTest
    return found


def test_none_is_left_out(suite: type[unittest.TestCase]) -> None:
    assert unittest.defaultTestLoader.getTestCaseNames(suite) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_as_aiortc_reads(suite: type[unittest.TestCase], name: str) -> None:
    case = suite(name)
    case.setUp()
    getattr(case, name)()


@pytest.mark.parametrize(
    ("level_ids", "profile"),
    [
        ("42E01F 42E00B 42F00B 42C02A 58F01F", Profile.CONSTRAINED_BASELINE),
        ("42001F 42A01F 58A01F", Profile.BASELINE),
        ("4D401F", Profile.MAIN),
        ("64001F", Profile.HIGH),
        ("640C1F", Profile.CONSTRAINED_HIGH),
        ("xyzxyz 42E11F 58601F 64E01F", None),
    ],
)
def test_profiles_of_h264(level_ids: str, profile: Profile | None) -> None:
    for level_id in level_ids.split():
        assert h264.profile(Codec(96, "H264", 90000, None, f"profile-level-id={level_id}")) is profile
