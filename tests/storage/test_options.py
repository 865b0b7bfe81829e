"""Options that are no text."""

from __future__ import annotations

import inspect

import paramiko

from broker_assets.storage.options import NUMBERS, SWITCHES


def test_an_option_is_one_or_the_other() -> None:
    assert not NUMBERS & SWITCHES


def test_those_of_a_connection_are_of_that_type() -> None:
    """As the defaults of the library say."""
    parameters = inspect.signature(paramiko.SSHClient.connect).parameters
    for name in SWITCHES & parameters.keys():
        assert isinstance(parameters[name].default, bool), name
    for name in NUMBERS & parameters.keys():
        assert not isinstance(parameters[name].default, bool | str), name
    assert {"port", "timeout"} <= NUMBERS & parameters.keys()
    assert {"allow_agent", "look_for_keys"} <= SWITCHES & parameters.keys()
