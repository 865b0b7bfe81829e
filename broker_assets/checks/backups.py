"""Checks of backups: the newest is restored and compared, the write-ahead log has no gap, no stored file is missing."""

from collections.abc import Callable

from dagster import AssetCheckResult, AssetChecksDefinition, AssetKey, ResourceParam, asset_check

from broker_assets.assets.backups import DATABASE, OBJECTS, USERS
from broker_assets.backups.inventory import compare_inventory
from broker_assets.backups.manifest import BackupError
from broker_assets.backups.verification import Verified, log_troubles, verify_base, verify_users_data
from broker_assets.checks.definition import Verdict
from broker_assets.resources.backups import Backups
from broker_assets.settings import Settings

SHOWN = 10
RESTORED = "can_be_restored"
LOG = "log_is_complete"
FILES = "no_file_is_missing"
RETRY = "start the job of the backup again; if that fails, follow docs/backups.md"


def build_backup_checks(settings: Settings) -> list[AssetChecksDefinition]:
    """The checks, which run after each backup."""
    return [
        _check(
            USERS,
            RESTORED,
            "The newest backup of users' data was restored into an empty server; rows and checksums of each table are "
            "those of the manifest.",
            restored_users_data,
        ),
        _check(
            DATABASE,
            RESTORED,
            "A server was started on the newest base backup and replayed the write-ahead log to its end; its ledger "
            "is complete.",
            restored_base,
        ),
        _check(
            DATABASE,
            LOG,
            "If the write-ahead log is kept, it is being received, and none of its segments is missing.",
            complete_log,
        ),
        _check(
            OBJECTS,
            FILES,
            "Every file that the ledger names is in the object store, and no file of an earlier list has disappeared "
            "or changed size.",
            present_files,
        ),
    ]


def restored_users_data(backups: Backups) -> Verdict:
    """Whether the newest backup of users' data can be restored."""
    return _restored(lambda: verify_users_data(backups.shelf, backups.programs, backups.settings.scratch))


def restored_base(backups: Backups) -> Verdict:
    """Whether a server starts on the newest base backup."""
    return _restored(lambda: verify_base(backups.shelf, backups.programs, backups.settings.scratch))


def complete_log(backups: Backups) -> Verdict:
    """Whether the write-ahead log has a gap or is not received."""
    troubles = log_troubles(backups.shelf, backups.url)
    if not troubles:
        return Verdict(True, "no gap in the write-ahead log")
    step = "see that `broker-assets backup receive` runs, then make a base backup: start the job weekly_backup"
    return Verdict(False, "; ".join(troubles[:SHOWN]), next_step=step)


def present_files(backups: Backups) -> Verdict:
    """Whether the object store lacks a file of the list before the newest one, or of the ledger."""
    lists = [backup for backup in backups.shelf.backups("objects") if backup.manifest is not None]
    if not lists:
        return Verdict(False, "there is no list of the object store", next_step=RETRY)
    earlier = lists[-2] if len(lists) > 1 else lists[-1]
    try:
        found = compare_inventory(backups.shelf, earlier, backups.url, backups.store)
    except BackupError as error:
        return Verdict(False, str(error), next_step=RETRY)
    numbers = {"missing": len(found.missing), "changed": len(found.changed), "new": found.surplus}
    if found.harmless:
        return Verdict(
            True, f"nothing is missing since {earlier.name}; {found.surplus} files are new", metadata=numbers
        )
    shown = ", ".join([*found.missing, *found.changed][:SHOWN])
    text = f"{len(found.missing)} files are missing and {len(found.changed)} have another size: {shown}"
    step = "bring them back from the versions or the copy of the object store; the newest list names their checksums"
    return Verdict(False, text, metadata=numbers, next_step=step)


def _restored(verify: Callable[[], Verified]) -> Verdict:
    try:
        found = verify()
    except BackupError as error:
        return Verdict(False, str(error), next_step=RETRY)
    numbers = {
        "backup": found.name,
        "tables": found.tables,
        "rows": found.rows,
        "messages in the ledger": found.messages,
        "segments of the log": found.segments,
    }
    return Verdict(True, f"{found.name} was restored and compared", metadata=numbers)


def _check(asset: str, name: str, description: str, judge: Callable[[Backups], Verdict]) -> AssetChecksDefinition:
    @asset_check(asset=AssetKey(asset), name=name, description=description)
    def checked(backups: ResourceParam[Backups]) -> AssetCheckResult:
        return judge(backups).result()

    return checked
