"""ICE servers in Link headers, and what is sent with candidates."""

from __future__ import annotations

import pytest

from rtcengine.whip.links import MAX_SERVERS, ice_servers

TURN = 'username="user"; credential="myPassword"; credential-type="password"'


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], []),
        (['<stun:stun.example.net>; rel="ice-server"'], [(["stun:stun.example.net"], None, None)]),
        (["<stun:stun.example.net>; rel=ice-server"], [(["stun:stun.example.net"], None, None)]),
        (['<https://example.net/>; rel="next"', "nonsense", ""], []),
        (['<https://example.net/>; rel="ice-server"'], []),
        (['<turn:t.example.net>; rel="ice-server"; username="u"; credential="c"; credential-type="oauth"'], []),
        # The example of RFC 9725 §4.6, in one header and in several.
        (
            [
                f'<stun:stun.example.net>; rel="ice-server", <turn:turn.example.net?transport=udp>; rel="ice-server"; {TURN}, '
                f'<turns:turn.example.net?transport=tcp>; rel="ice-server"; {TURN}'
            ],
            [
                (["stun:stun.example.net"], None, None),
                (["turn:turn.example.net?transport=udp", "turns:turn.example.net?transport=tcp"], "user", "myPassword"),
            ],
        ),
        ([f'<TURN:a?transport=udp>;REL="x ice-server";{TURN}'], [(["TURN:a?transport=udp"], "user", "myPassword")]),
        (['<turn:a>; rel="ice-server"; username="a\\"b, c;d"; credential="<e>"'], [(["turn:a"], 'a"b, c;d', "<e>")]),
    ],
)
def test_links(headers: list[str], found: list[tuple[list[str], str | None, str | None]]) -> None:
    assert [(s.urls, s.username, s.credential) for s in ice_servers(headers)] == found


def test_not_more_than_a_connection_takes() -> None:
    many = ", ".join(f'<stun:s{n}.example.net>; rel="ice-server"' for n in range(200))
    (server,) = ice_servers([many])
    assert len(server.urls) == MAX_SERVERS
    assert ice_servers(["<" * 100_000, '<stun:a>; rel="' + '\\"' * 100_000]) == []
