"""Folders, SFTP servers and S3 buckets: what arrives is what was sent, or nothing is there under the name."""

from __future__ import annotations

import hashlib
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from tenacity import wait_fixed

from broker_assets.publication.targets import DeliveryFailed, Target, TargetAway, described
from broker_assets.settings import PublicationTarget


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(bytes(range(256)) * 500)
    return path


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_file_arrives_and_can_be_replaced(remote: Any, source: Path) -> None:
    remote.target.check()
    first = source.read_bytes()
    receipt = remote.target.deliver("a.fits", source, sha256(first))
    assert (receipt.name, receipt.size, receipt.sha256) == ("a.fits", len(first), sha256(first))
    source.write_bytes(b"other")
    remote.target.deliver("a.fits", source, sha256(b"other"))
    remote.target.deliver("L1/2021/b.fits", source, sha256(b"other"))
    assert remote.files() == {"a.fits": b"other", "L1/2021/b.fits": b"other"}
    assert remote.target.sha256("a.fits") == sha256(b"other")
    assert remote.target.sha256("none.fits") is None
    assert remote.target.sizes() == {"a.fits": 5, "L1/2021/b.fits": 5}
    remote.target.remove("a.fits")
    remote.target.remove("a.fits")
    assert set(remote.files()) == {"L1/2021/b.fits"}


def test_what_does_not_match_its_checksum_is_not_delivered(remote: Any, source: Path) -> None:
    with pytest.raises(DeliveryFailed, match=r"a\.fits could not be delivered.*SHA-256"):
        remote.target.deliver("a.fits", source, sha256(b"something else"))
    assert remote.files() == {}


def test_a_target_that_is_away(remote: Any, source: Path, tmp_path: Path) -> None:
    if remote.server is None:
        shutil.rmtree(remote.folder)
    else:
        stop = getattr(remote.server, "stop", None) or remote.server._server.stop
        if hasattr(remote.server, "client"):
            remote.target = Target("archive", "s3://no-such-bucket/x", remote.server.options, attempts=1)
        else:
            stop()
    with pytest.raises(TargetAway, match=r"archive \(.*\) is unavailable"):
        remote.target.check()
    with pytest.raises(TargetAway, match=r"archive \(.*\) is unavailable"):
        remote.target.deliver("a.fits", source, sha256(source.read_bytes()))


def test_bytes_damaged_on_the_way_are_found_and_sent_again(sftp_server: Any, source: Path) -> None:
    target = Target("archive", sftp_server.url("archive"), sftp_server.options, wait=wait_fixed(0.01))
    hits: list[str] = []

    def once(name: str) -> bool:
        hits.append(name)
        return len(hits) == 1

    sftp_server.damage = once
    target.deliver("a.fits", source, sha256(source.read_bytes()))
    assert set(hits) == {".a.fits.part"}
    assert (sftp_server.folder / "archive" / "a.fits").read_bytes() == source.read_bytes()


def test_bytes_damaged_every_time_never_appear_under_the_name(sftp_server: Any, source: Path) -> None:
    target = Target("archive", sftp_server.url("archive"), sftp_server.options, wait=wait_fixed(0.01))
    good = source.read_bytes()
    target.deliver("a.fits", source, sha256(good))
    sftp_server.damage = lambda name: True
    source.write_bytes(good[::-1])
    with pytest.raises(DeliveryFailed, match="SHA-256"):
        target.deliver("a.fits", source, sha256(good[::-1]))
    left = {path.name: path.read_bytes() for path in (sftp_server.folder / "archive").iterdir()}
    assert left == {"a.fits": good}


def test_a_full_server_fails_the_file_and_keeps_no_rest(sftp_server: Any, source: Path) -> None:
    target = Target("archive", sftp_server.url("archive"), sftp_server.options, wait=wait_fixed(0.01))
    sftp_server.quota = 60_000
    with pytest.raises(DeliveryFailed, match=r"a\.fits could not be delivered"):
        target.deliver("a.fits", source, sha256(source.read_bytes()))
    source.write_bytes(b"small")
    target.deliver("b.fits", source, sha256(b"small"))
    assert [path.name for path in (sftp_server.folder / "archive").iterdir()] == ["b.fits"]


def test_a_server_without_atomic_replacement(sftp_server: Any, source: Path) -> None:
    sftp_server.can_replace = False
    target = Target("archive", sftp_server.url("archive"), sftp_server.options, wait=wait_fixed(0.01))
    for content in (b"first", b"second"):
        source.write_bytes(content)
        target.deliver("a.fits", source, sha256(content))
        assert [path.read_bytes() for path in (sftp_server.folder / "archive").iterdir()] == [content]


def test_a_connection_that_broke_is_made_anew(sftp_server: Any, source: Path) -> None:
    target = Target("archive", sftp_server.url("archive"), sftp_server.options, wait=wait_fixed(0.01))
    target.check()
    sftp_server.stop()
    sftp_server.start()
    target.deliver("a.fits", source, sha256(source.read_bytes()))
    assert target.sizes() == {"a.fits": len(source.read_bytes())}


def test_a_server_that_stops_answering_does_not_hold_a_run_for_ever(sftp_server: Any, source: Path) -> None:
    options = sftp_server.options | {"answer_timeout": "1"}
    target = Target("archive", sftp_server.url("archive"), options, attempts=1)
    target.check()
    sftp_server.seconds_per_write = 20.0
    begin = time.monotonic()
    with pytest.raises(DeliveryFailed, match=r"a\.fits could not be delivered .*TimeoutError"):
        target.deliver("a.fits", source, sha256(source.read_bytes()))
    assert time.monotonic() - begin < 15
    assert not (sftp_server.folder / "archive" / "a.fits").exists()


def test_only_known_hosts_are_believed(sftp_server: Any, source: Path, tmp_path: Path) -> None:
    options = {"username": "archive", "password": sftp_server.options["password"]}
    stranger = Target("archive", sftp_server.url("archive"), options, attempts=1)
    with pytest.raises(TargetAway, match="not found in known_hosts"):
        stranger.check()
    known = sftp_server.known_hosts(tmp_path / "known_hosts")
    Target("archive", sftp_server.url("archive"), options | {"known_hosts": str(known)}).check()
    with pytest.raises(TargetAway, match="uthentication"):
        Target("archive", sftp_server.url("archive"), sftp_server.options | {"password": "wrong"}, attempts=1).check()


def test_settings_make_a_target_whose_secrets_are_not_told(sftp_server: Any) -> None:
    settings = PublicationTarget(
        name="soar",
        url=sftp_server.url("archive"),
        options={"username": "archive", "host_key_policy": "auto_add", "port": str(sftp_server.port)},
        secrets={"password": SecretStr("only for tests")},
        conflicts_url=sftp_server.url("conflicts"),
    )
    with Target.of(settings) as target:
        target.check()
    conflicts = Target.conflicts_of(settings)
    assert conflicts is not None
    with conflicts:
        conflicts.check()
    assert (sftp_server.folder / "conflicts").is_dir()
    sftp_server.stop()
    with pytest.raises(TargetAway) as error:
        target.check()
    assert "only for tests" not in str(error.value)
    sftp_server.start()
    assert described("sftp://me:only%20for%20tests@host:2222/x") == "sftp://me@host:2222/x"
    assert Target.conflicts_of(settings.model_copy(update={"conflicts_url": None})) is None


def test_a_folder_that_is_not_mounted_is_not_made(tmp_path: Path, source: Path) -> None:
    with pytest.raises(TargetAway, match="the folder does not exist"):
        Target("archive", str(tmp_path / "mount")).check()
    assert not (tmp_path / "mount").exists()
    Target("archive", str(tmp_path / "mount"), create=True).check()
    assert (tmp_path / "mount").is_dir()
