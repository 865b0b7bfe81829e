"""`export` and `apply`: filters, watchlists and areas as files under version control."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broker_assets.commands.lists import options
from broker_assets.commands.lists.change import new_owner, open_database, say

if TYPE_CHECKING:
    from broker_assets.ownership.definition_files import Kind

Folder = Annotated[Path, typer.Argument(help="Folder of the files, one for each.", show_default=False)]
Prune = Annotated[bool, typer.Option("--prune", help="Remove those that have no file.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]


def add_to(app: typer.Typer, kind: Kind) -> None:
    """Add both commands to those of a kind."""
    app.command("export")(_export(kind))
    app.command("apply")(_apply(kind))


def _export(kind: Kind) -> Callable[..., None]:
    def export(folder: Folder, owner: options.Owner = None) -> None:
        from broker_assets.ownership.definition_files import export as files_of
        from broker_assets.storage.atomic import replace_atomically

        with open_database() as connection:
            files = files_of(connection, new_owner(owner), kind)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            replace_atomically((folder / name).resolve(), text)
        say(f"{len(files):,} {kind}s in {folder}")

    export.__doc__ = f"Write your {kind}s to a folder, one file each, to keep them under version control."
    return export


def _apply(kind: Kind) -> Callable[..., None]:
    def apply(folder: Folder, owner: options.Owner = None, prune: Prune = False, dry_run: DryRun = False) -> None:
        from broker_assets.ownership.definition_files import SUFFIX
        from broker_assets.ownership.definition_files import apply as make_so

        account = new_owner(owner)
        if not folder.is_dir():
            raise typer.BadParameter(f"{folder} is not a folder", param_hint="FOLDER")
        files = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob(f"*{SUFFIX}"))}
        with open_database() as connection:
            steps = make_so(connection, account, kind, files, prune=prune, pretend=dry_run)
        for step in steps:
            if step.action != "same":
                fields = f" ({', '.join(step.changed)})" if step.changed else ""
                kept = ": it has no file; --prune removes it" if step.action == "kept" else ""
                say(f"{step.action} {kind} {step.name}{fields}{kept}")
        same = sum(step.action == "same" for step in steps)
        say(f"{same:,} of {len(steps):,} are as in their files." + (" Nothing was changed." if dry_run else ""))

    more = " New filters do not run until they are enabled." if kind == "filter" else ""
    apply.__doc__ = f"Make your {kind}s match the files of a folder; with --prune, remove those without a file.{more}"
    return apply
