"""Targets that the commands are given by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker_assets.commands.publish.targets import chosen
from broker_assets.settings import PublicationTarget, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(home=tmp_path)
    for name, mirror in (("soar", False), ("copy", True), ("esac", False)):
        made.publication.targets.append(PublicationTarget(name=name, url=f"/{name}", mirror=mirror))
    return made


def test_archives_and_mirrors_are_told_apart(settings: Settings) -> None:
    assert [target.name for target in chosen(settings, None, mirror=False)] == ["soar", "esac"]
    assert [target.name for target in chosen(settings, None, mirror=True)] == ["copy"]
    assert [target.name for target in chosen(settings, ["esac"], mirror=False)] == ["esac"]


def test_what_is_not_configured_is_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(LookupError, match=r"no archive copy is configured; known: soar, esac"):
        chosen(settings, ["copy"], mirror=False)
    with pytest.raises(LookupError, match=r"no mirror is configured: set BROKER_PUBLICATION__TARGETS"):
        chosen(Settings(home=tmp_path / "other"), None, mirror=True)
