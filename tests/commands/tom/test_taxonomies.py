"""A taxonomy is shown, and replaced by a file."""

from pathlib import Path

import pytest

from broker_assets.tom import taxonomy as package

pytestmark = pytest.mark.database


def test_a_file_is_a_new_version(command, database_url, tmp_path):
    shown = command("tom", "taxonomy", "elasticc")
    assert shown.exit_code == 0, shown.output
    assert "Version 1 of elasticc is in use." in shown.output
    lines = (Path(package.__path__[0]) / "elasticc2.csv").read_text().splitlines()
    file = tmp_path / "classes.csv"
    # As spreadsheets write it: with a byte-order mark.
    file.write_text("\n".join([*lines, "9999,0,Unheard-of,"]), encoding="utf-8-sig")
    stored = command("tom", "taxonomy", "-f", str(file), "--comment", "one more")
    assert "Version 2 of elasticc2 is in use." in stored.output
    assert "Unheard-of" in command("tom", "taxonomy").output
    assert "Unheard-of" not in command("tom", "taxonomy", "elasticc").output


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("classid,parent,description\n1,,x\n", "no column gentypes"),
        ("classid,parent,description,gentypes\n1,2,x,\n", "class 2 is the parent"),
        ("classid,parent,description,gentypes\none,,x,\n", "'one' is not a whole number"),
        ("classid,parent,description,gentypes\n", "there is no class"),
        ("", "there is no class"),
        ("classid,parent,description,gentypes\n1\n", "class 1 has no description"),
    ],
)
def test_a_file_that_is_not_a_taxonomy_is_refused(command, database_url, tmp_path, text, says):
    file = tmp_path / "classes.csv"
    file.write_text(text)
    refused = command("tom", "taxonomy", "-f", str(file))
    assert refused.exit_code == 2
    assert says in " ".join(refused.output.split())
    assert "there is no taxonomy 'mine'" in " ".join(command("tom", "taxonomy", "mine").output.split())
