"""Which settings are chosen: the standard's own examples and its fitness distance, by tables."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from rtcengine.media.devices.constraints import Constrain, Constraints, MediaTrackConstraints, Wanted, parse
from rtcengine.media.devices.select import distance, failed_constraint, fitness_distance, select_settings
from rtcengine.media.devices.space import AudioSpace, Mode, Span, VideoSpace
from rtcengine.media.devices.synthetic import microphone_space

CAMERA = VideoSpace(tuple(Mode(*size, (30.0, 15.0)) for size in ((640, 480), (1280, 720), (1920, 1080), (320, 240))))
FAST = VideoSpace((Mode(640, 480, (60.0, 30.0)), Mode(1920, 1280, (30.0,)), Mode(1280, 960, (50.0, 45.0, 30.0))))
ANY_RATE = VideoSpace((Mode(800, 600, Span(1.0, 60.0)),))


def choose(space: VideoSpace | AudioSpace, given: Any) -> Any:
    constraints = parse(given)
    return select_settings(space.possible(constraints), constraints, space.rank)


def picture(space: VideoSpace, given: Any) -> tuple[Any, ...]:
    found = choose(space, given)
    return found["width"], found["height"], found["frameRate"], found["resizeMode"]


NONE, SCALED = "none", "crop-and-scale"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (True, (640, 480, 30, NONE)),
        ({}, (640, 480, 30, NONE)),
        ({"width": 1280}, (1280, 720, 30, NONE)),
        ({"width": 1920, "height": 1080, "frameRate": 30}, (1920, 1080, 30, NONE)),
        ({"width": 4000}, (1920, 1080, 30, NONE)),
        ({"width": 160}, (160, 120, 30, SCALED)),
        ({"height": 90}, (160, 90, 30, SCALED)),
        ({"width": {"max": 500}}, (320, 240, 30, NONE)),
        ({"width": {"min": 700}}, (1280, 720, 30, NONE)),
        ({"width": {"exact": 500}}, (500, 376, 30, SCALED)),
        ({"width": {"min": 320, "ideal": 320}, "height": {"min": 180}}, (320, 240, 30, NONE)),
        ({"frameRate": 15}, (640, 480, 15, NONE)),
        ({"frameRate": 20}, (640, 480, 20, SCALED)),
        ({"frameRate": {"max": 10}}, (640, 480, 10, SCALED)),
        ({"frameRate": {"max": 20}}, (640, 480, 15, NONE)),
        ({"frameRate": 20, "resizeMode": {"exact": NONE}}, (640, 480, 15, NONE)),
        ({"width": 500, "resizeMode": {"exact": NONE}}, (640, 480, 30, NONE)),
        ({"resizeMode": {"exact": SCALED}}, (640, 480, 30, SCALED)),
        ({"aspectRatio": 1}, (480, 480, 30, SCALED)),
        ({"aspectRatio": {"exact": 16 / 9}}, (1280, 720, 30, NONE)),
        ({"aspectRatio": {"exact": 16 / 9}, "width": {"max": 500}}, (480, 270, 30, SCALED)),
        # The standard's first example: of three, two can be met (mediacapture-main §11).
        ({"width": 1280, "height": 720, "aspectRatio": 3 / 2}, (1080, 720, 30, SCALED)),
        (
            {
                "width": {"min": 640, "ideal": 1280},
                "height": {"min": 480, "ideal": 720},
                "aspectRatio": 3 / 2,
                "frameRate": {"min": 20},
            },
            (1080, 720, 30, SCALED),
        ),
        # Its example of applyConstraints.
        (
            {"width": {"exact": 1920}, "height": {"exact": 1080}, "frameRate": {"min": 25, "ideal": 30, "max": 30}},
            (1920, 1080, 30, NONE),
        ),
        # Its example of a camera known from a visit before.
        (
            {"width": {"min": 800, "ideal": 1024, "max": 1280}, "height": {"min": 600}},
            (1024, 600, 30, SCALED),
        ),
        # Advanced sets are met whole, in their order, or left out; bare values there are exact.
        ({"advanced": [{"width": 1920, "height": 1280}, {"aspectRatio": 4 / 3}]}, (640, 480, 30, NONE)),
        ({"advanced": [{"width": 1920, "height": 1080}, {"aspectRatio": 4 / 3}]}, (1920, 1080, 30, NONE)),
        ({"advanced": [{"width": 1280, "frameRate": 60}, {"width": 1280}]}, (1280, 720, 30, NONE)),
        ({"width": 320, "advanced": [{"width": {"min": 1000}}]}, (1000, 562, 30, SCALED)),
        ({"advanced": [{"width": {"min": 1024, "max": 800}}]}, (640, 480, 30, NONE)),
        ({"advanced": [{"facingMode": "user"}]}, (640, 480, 30, NONE)),
    ],
)
def test_pictures(given: Any, expected: tuple[Any, ...]) -> None:
    assert picture(CAMERA, given) == expected


def test_the_standards_example_with_advanced_sets() -> None:
    """Whose camera has 1920 x 1280 at 30 only: the second set is skipped, of the rates the one that is left."""
    given = {
        "width": {"min": 640, "ideal": 1280},
        "height": {"min": 480, "ideal": 720},
        "frameRate": {"min": 30},
        "advanced": [
            {"width": 1920, "height": 1280},
            {"aspectRatio": 4 / 3},
            {"frameRate": {"min": 50}},
            {"frameRate": {"min": 40}},
        ],
    }
    assert picture(FAST, given) == (1920, 1280, 30, NONE)
    without = {**given, "advanced": given["advanced"][1:]}  # type: ignore[index]
    width, height, rate, _ = picture(FAST, without)
    assert (width * 3, rate) == (height * 4, 50)
    assert picture(FAST, {**given, "advanced": [{"width": 640, "height": 480}, {"frameRate": {"min": 50}}]})[2] == 60
    slower = VideoSpace((Mode(1280, 960, (45.0, 30.0)),))
    assert picture(slower, without)[2] == 45
    assert choose(VideoSpace((Mode(1280, 960, (25.0,)),)), without) is None


@pytest.mark.parametrize(
    ("given", "failed"),
    [
        ({"width": {"min": 100_000_000}}, "width"),
        ({"width": {"max": 0}}, "width"),
        ({"height": {"max": -1}}, "height"),
        ({"width": {"min": 1024, "max": 800}}, "width"),
        ({"frameRate": {"exact": 31}}, "frameRate"),
        ({"frameRate": {"max": 0}}, "frameRate"),
        ({"aspectRatio": {"min": 5000}}, "aspectRatio"),
        ({"facingMode": {"exact": ""}}, "facingMode"),
        ({"facingMode": {"exact": "user"}}, "facingMode"),
        ({"resizeMode": {"exact": "INVALID"}}, "resizeMode"),
        ({"deviceId": {"exact": "other"}}, "deviceId"),
        # Each alone can be met, and not both.
        ({"width": {"exact": 333}, "resizeMode": {"exact": NONE}}, ""),
        ({"width": {"exact": 320}, "height": {"exact": 240}, "resizeMode": {"exact": SCALED}, "aspectRatio": {"exact": 1}}, ""),
    ],
)
def test_what_cannot_be(given: Any, failed: str) -> None:
    constraints = parse(given)
    possible = CAMERA.possible(constraints)
    assert select_settings(possible, constraints, CAMERA.rank) is None
    assert failed_constraint(possible, constraints) == failed


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (True, (48000, 2, 0.02)),
        ({"sampleRate": 16000, "channelCount": 1}, (16000, 1, 0.02)),
        ({"sampleRate": {"max": 44100}}, (44100, 2, 0.02)),
        ({"sampleRate": 96000}, (48000, 2, 0.02)),
        ({"channelCount": {"exact": 1}, "latency": {"max": 0.01}}, (48000, 1, 0.01)),
        ({"channelCount": {"ideal": 6}}, (48000, 2, 0.02)),
        ({"latency": 0.04}, (48000, 2, 0.04)),
        ({"echoCancellation": True, "noiseSuppression": {"ideal": True}}, (48000, 2, 0.02)),
        ({"advanced": [{"autoGainControl": True}, {"sampleRate": 8000}]}, (8000, 2, 0.02)),
    ],
)
def test_sound(given: Any, expected: tuple[Any, ...]) -> None:
    found = choose(microphone_space(), given)
    assert (found["sampleRate"], found["channelCount"], found["latency"]) == expected


@pytest.mark.parametrize("name", ["echoCancellation", "autoGainControl", "noiseSuppression"])
def test_sound_is_mended_when_asked(name: str) -> None:
    assert choose(microphone_space(), True)[name] is False
    for wish in (True, {"exact": True}):
        found = choose(microphone_space(), {name: wish})
        assert [n for n in ("echoCancellation", "autoGainControl", "noiseSuppression") if found[n]] == [name]


def test_echo_is_not_cancelled_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtcengine.media.devices.synthetic.echo_cancellation_available", lambda: False)
    constraints = parse({"echoCancellation": {"exact": True}})
    possible = microphone_space().possible(constraints)
    assert select_settings(possible, constraints) is None
    assert failed_constraint(possible, constraints) == "echoCancellation"
    assert choose(microphone_space(), {"echoCancellation": True})["echoCancellation"] is False


# The steps of the fitness distance, as mediacapture-main numbers them.
@pytest.mark.parametrize(
    ("name", "actual", "wanted", "expected"),
    [
        ("width", 640, Wanted(low=320), 0.0),
        ("width", 640, Wanted(low=800), math.inf),
        ("width", None, Wanted(exact=(640,)), math.inf),
        ("width", None, Wanted(ideal=(640,)), 1.0),
        ("width", 640, Wanted(ideal=(640,)), 0.0),
        ("width", 640, Wanted(ideal=(1280,)), 0.5),
        ("width", 1280, Wanted(ideal=(640,)), 0.5),
        ("width", 640, Wanted(low=320, ideal=(1280,)), 0.5),
        ("width", 640, Wanted(high=320, ideal=(640,)), math.inf),
        ("frameRate", 15, Wanted(ideal=(30,)), 0.5),
        ("aspectRatio", 1.3333333333, Wanted(exact=(4 / 3,)), 0.0),
        ("aspectRatio", 1.3333333333, Wanted(exact=(1.3333,)), math.inf),
        ("facingMode", "user", Wanted(ideal=("user",)), 0.0),
        ("facingMode", "user", Wanted(ideal=("environment",)), 1.0),
        ("facingMode", "user", Wanted(exact=("left", "user")), 0.0),
        ("facingMode", "user", Wanted(exact=("left",)), math.inf),
        ("deviceId", "a", Wanted(exact=("a", "b"), ideal=("b",)), 1.0),
        ("echoCancellation", False, Wanted(ideal=(True,)), 1.0),
        ("echoCancellation", False, Wanted(exact=(True,)), math.inf),
        ("echoCancellation", False, Wanted(exact=(False,)), 0.0),
    ],
)
def test_the_fitness_distance(name: str, actual: Any, wanted: Wanted, expected: float) -> None:
    assert distance(name, actual, wanted) == pytest.approx(expected)


@pytest.mark.slow
def test_no_settings_are_better_than_those_listed() -> None:
    """Against thousands of settings that a camera can have, for constraints at random. What a shape costs when its sides are
    rounded to whole pixels is all that may be missed."""
    chance = random.Random(7)
    modes = (Mode(240, 180, (10.0, 4.0)), Mode(320, 180, (6.0,)))
    space = VideoSpace(modes, {}, {"width": 160, "height": 120, "frameRate": 8.0})
    rates = [1 + n / 2 for n in range(19)]

    def number(name: str) -> Any:
        return {
            "width": chance.randint(1, 340),
            "height": chance.randint(1, 200),
            "frameRate": chance.choice(rates),
            "aspectRatio": chance.randint(2, 12) / chance.randint(2, 12),
        }[name]

    def one(name: str) -> Any:
        if name == "resizeMode":
            return chance.choice([NONE, SCALED, {"exact": NONE}, {"exact": SCALED}])
        low, high = sorted((number(name), number(name)))
        exact = {} if name == "aspectRatio" else {"exact": number(name)}
        ranges = [{"min": low}, {"max": high}, {"min": low, "max": high, "ideal": high}]
        return chance.choice([number(name), {"ideal": number(name)}, *ranges, exact])

    def settings(w: int, h: int, rate: float, resize: str) -> dict[str, Any]:
        return {"width": w, "height": h, "aspectRatio": round(w / h, 10), "frameRate": rate, "resizeMode": resize}

    natural = [settings(m.width, m.height, r, NONE) for m in modes for r in m.rates]  # type: ignore[union-attr]
    compared = 0
    for _ in range(150):
        names = chance.sample(["width", "height", "frameRate", "aspectRatio", "resizeMode"], chance.randint(1, 4))
        given = {name: one(name) for name in names}
        constraints = parse(given)
        widths, heights, shown = (
            [*constraints.numbers(name), *(number(name) for _ in range(20))] for name in ("width", "height", "frameRate")
        )
        some = [settings(int(w), int(h), r, SCALED) for w in widths for h in heights for r in shown[:6] if w > 1 and h > 1]
        some = [s for s in some if any(m.covers(s["width"], s["height"], s["frameRate"]) for m in modes)]
        best, other = (select_settings(p, constraints) for p in (space.possible(constraints), [*some, *natural]))
        if other is not None:
            assert best is not None, (given, other)
            found, expected = (fitness_distance(s, constraints.basic) for s in (best, other))
            assert found <= expected + ("aspectRatio" in given) * 0.01, (given, best, other)
            compared += 1
    assert compared > 80


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"width": "wide"}, "width is a number"),
        ({"width": True}, "width is a number"),
        ({"width": math.inf}, "width is a number"),
        ({"width": {"exakt": 640}}, "'exakt'"),
        ({"facingMode": {"min": 1}}, "no min and max"),
        ({"facingMode": 3}, "a string or a list"),
        ({"echoCancellation": "yes"}, "True or False"),
        ({"advanced": {"width": 1}}, "is a list"),
        ({"advanced": [3]}, "constraint set"),
        (7, "a dict"),
        ({"mandatory": {}, "width": 3}, "do not go together"),
        ({"mandatory": {}, "optional": {"width": 3}}, "is a list"),
    ],
)
def test_what_are_no_constraints(given: Any, what: str) -> None:
    with pytest.raises(TypeError, match=what):
        parse(given)


def test_dataclasses_are_constraints_as_dicts_are() -> None:
    as_dict = {"width": {"min": 640, "ideal": 1280}, "facingMode": ["user", "left"], "advanced": [{"frameRate": 60}]}
    as_class = MediaTrackConstraints(
        width=Constrain(min=640, ideal=1280), facingMode=["user", "left"], advanced=[MediaTrackConstraints(frameRate=60)]
    )
    assert (
        parse(as_class)
        == parse(as_dict)
        == Constraints(
            {"width": Wanted(ideal=(1280,), low=640), "facingMode": Wanted(ideal=("user", "left"))},
            ({"frameRate": Wanted(exact=(60,))},),
        )
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"mandatory": {"minWidth": 640, "maxWidth": 800}}, {"width": {"min": 640, "max": 800}}),
        ({"mandatory": {"width": 640}}, {"width": {"exact": 640}}),
        (
            {"mandatory": {"width": {"min": 320}, "height": {"min": 180}}, "optional": [{"frameRate": 30}]},
            {"width": {"min": 320}, "height": {"min": 180}, "advanced": [{"frameRate": 30}]},
        ),
        ({"optional": [{"minFrameRate": 60}]}, {"advanced": [{"frameRate": {"min": 60}}]}),
        ({"optional": [{"sourceId": "x"}]}, {"advanced": [{"deviceId": "x"}]}),
        ({"mandatory": {"googEchoCancellation": True}}, {"echoCancellation": {"exact": True}}),
    ],
)
def test_constraints_as_they_were_written_once(old: Any, new: Any) -> None:
    assert parse(old) == parse(new)


def test_an_empty_list_and_unknown_names_are_no_constraints() -> None:
    assert parse({"facingMode": {"exact": []}, "zoom": {"min": 2}, "nonsense": object(), "width": None}) == Constraints()


def test_a_mode_is_chosen_that_needs_least_to_be_done_to() -> None:
    odd = {"width": 641, "height": 361}
    for given, size in (({"width": 160}, (320, 240)), ({"width": 1000}, (1280, 720)), (odd, (1280, 720))):
        mode = CAMERA.mode_for(choose(CAMERA, given))
        assert (mode.width, mode.height) == size
    running = Mode(1920, 1080, (30.0,))
    assert CAMERA.mode_for(choose(CAMERA, {"width": 160}), running) is running
    assert ANY_RATE.mode_for(choose(ANY_RATE, {"frameRate": 12.5})).rates == (12.5,)
