"""A conversation ends when its time is over; `test_webhooks` has it with receivers that misbehave."""

from __future__ import annotations

import socket
import threading

import pytest

from broker_assets.delivery.deadline import Deadline


@pytest.fixture
def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair()


def test_a_peer_that_goes_on_for_ever_is_left(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    ours.settimeout(10.0)
    ended = threading.Event()

    def drip() -> None:
        try:
            while not ended.wait(0.01):
                theirs.sendall(b"x")
        except OSError:  # hung up
            pass

    with ours, theirs, Deadline(0.2) as deadline:
        thread = threading.Thread(target=drip)
        thread.start()
        deadline.ends(ours)
        while ours.recv(1):
            pass
        ended.set()
        thread.join()
    assert deadline.over


def test_who_is_done_in_time_keeps_the_connection(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    with ours, theirs:
        with Deadline(0.05) as deadline:
            deadline.ends(ours)
            deadline.ends(ours)  # the time begins again
        assert not threading.Event().wait(0.1)
        theirs.sendall(b"x")
        assert ours.recv(1) == b"x"
    assert not deadline.over
