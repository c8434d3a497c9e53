"""``headwater takedown ...``: take documents out of everything that is served, and let them back in."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from coordinator.api.json_codec import dumps, parse_document_id
from coordinator.cluster.takedown_file import TakedownFile
from coordinator.corpus import check_generation
from coordinator.errors import ConfigurationError
from coordinator.takedown_admin import without
from coordinator.takedown_list import KeptTakedown, with_added
from coordinator.takedowns import Takedown, TakedownDocument, TakedownState, shown, to_keep
from headwater.connection import Connection
from headwater.connection_options import connection_options, to_connection
from headwater.labels import plural
from headwater.lazy_group import LazyGroup
from headwater.plain_text import visible
from headwater.takedown_options import check_place, place_flags, target_flags, to_takedowns
from index_format.manifest import IndexManifest

# Of takedowns, in a warning.
_MAX_NAMED = 10
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_INDEX = click.option(
    "--index",
    type=click.Path(path_type=Path, file_okay=False),
    help="Index that --document is of, with --file: the takedown keeps the content, for later generations.",
)


class _TakedownGroup(LazyGroup):
    """The commands on takedowns, in the order in which an operator meets them."""

    commands_by_name = {  # noqa: RUF012 - declared so by its base
        "preview": ("headwater.takedown_command", "preview_command", "Show what a takedown would concern."),
        "add": ("headwater.takedown_command", "add_command", "Take documents down."),
        "list": ("headwater.takedown_command", "list_command", "List the takedowns in force."),
        "lift": ("headwater.takedown_command", "lift_command", "End takedowns."),
        "renumber": ("headwater.takedown_command", "renumber_command", "Have a restored takedown file obeyed."),
    }


@click.group(cls=_TakedownGroup)
def takedown() -> None:
    """Take documents out of everything that is served, and let them back in. No index is built again for it."""


@click.command()
@target_flags
@place_flags
@_INDEX
@click.option(
    "--id",
    "id_",
    default="",
    metavar="NAME",
    help="Names the takedown, if it is one. [default: one made of what it says]",
)
@click.option("--reason", default="", help="Why, for the record: at most 500 characters, not the document's text.")
@click.option("--new", "is_new", is_flag=True, help="Make FILE if there is none. Else that is an error: it was lost.")
@_JSON
def add_command(
    connect: str | None,
    file: Path | None,
    index: Path | None,
    id_: str,
    reason: str,
    is_new: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Take documents down: no answer shows or counts them from then on.

    Prints the name of each takedown. With --connect it returns when every replica that can be reached obeys. What is in
    force already, for the same reason, is not added again.
    """
    check_place(connect, file)
    wanted = to_takedowns(flags, reason)
    if id_ and len(wanted) > 1:
        raise click.UsageError(f"--id names one takedown, and there are {len(wanted)}.")
    wanted = [dataclasses.replace(one, id=id_) for one in wanted]
    connection = to_connection(flags, is_used=connect is not None)
    if file is not None:
        kept = [_kept(one, index) for one in wanted]
        after = TakedownFile(file).change(lambda before: with_added(before, kept), may_be_first=is_new)
        ids = {one.id for one in kept}
        _print_written([shown(one) for one in after.takedowns if one.id in ids], after.epoch, file, as_json)
        return
    if is_new:
        raise click.UsageError("--new goes with --file; a coordinator makes its file itself.")
    if index is not None:
        raise click.UsageError("--index goes with --file; a coordinator knows its indexes.")
    from headwater.remote_admin import RemoteAdmin  # loads gRPC

    with RemoteAdmin(str(connect), connection) as admin:
        added = admin.add_takedowns(wanted)
    if as_json:
        click.echo(dumps(added))
        return
    for one in added.takedowns:
        click.echo(one.id)
    _print_state(added.state)
    if added.newly_withheld_documents:
        click.echo(f"{plural(added.newly_withheld_documents, 'document')} more withheld than before", err=True)
    else:
        click.echo("Warning: no document more is withheld than before; look with `takedown preview`", err=True)


@click.command()
@click.argument("ids", nargs=-1, required=True)
@place_flags
def lift_command(ids: tuple[str, ...], connect: str | None, file: Path | None, **flags: Any) -> None:
    """End the takedowns IDS: their documents are found again. If one is not in force, nothing changes."""
    check_place(connect, file)
    connection = to_connection(flags, is_used=connect is not None)
    if file is not None:
        after = TakedownFile(file).change(lambda before: without(before, ids))
        click.echo(f"list {after.epoch}, {plural(len(after.takedowns), 'takedown')}, in {visible(str(file))}", err=True)
        return
    from headwater.remote_admin import RemoteAdmin  # loads gRPC

    with RemoteAdmin(str(connect), connection) as admin:
        _print_state(admin.lift_takedowns(ids).state)


@click.command()
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Takedown file that is right as it is.",
)
@click.option(
    "--above", type=click.IntRange(0, 2**62), default=0, show_default=True, help="Number of the list that was in force."
)
@click.option("--new", "is_new", is_flag=True, help="Make FILE, without any takedown, if there is none.")
def renumber_command(file: Path, above: int, is_new: bool) -> None:
    """Have an older list obeyed: give FILE, restored or begun anew, a number above the one that was in force.

    What only the later list took down is found again. Look at `headwater takedown list --file FILE` first.
    """
    if not is_new:
        _check_is_there(file)
    after = TakedownFile(file).renumber(above)
    click.echo(f"list {after.epoch}, {plural(len(after.takedowns), 'takedown')}, in {visible(str(file))}", err=True)


@click.command()
@place_flags
@_JSON
def list_command(connect: str | None, file: Path | None, as_json: bool, **flags: Any) -> None:
    """List the takedowns in force, one a line: name, what it concerns, when it was added, why."""
    check_place(connect, file)
    connection = to_connection(flags, is_used=connect is not None)
    if file is not None:
        _check_is_there(file)
        found = TakedownFile(file).read()
        takedowns: Sequence[Takedown] = [shown(one) for one in found.takedowns]
        if as_json:
            click.echo(dumps({"takedowns": list(takedowns), "epoch": found.epoch}))
        else:
            _print_takedowns(takedowns)
        return
    from headwater.remote_admin import RemoteAdmin  # loads gRPC

    with RemoteAdmin(str(connect), connection) as admin:
        listed = admin.list_takedowns()
    if as_json:
        click.echo(dumps(listed))
        return
    _print_takedowns(listed.takedowns)
    _print_state(listed.state)


@click.command()
@target_flags
@connection_options
@click.option("--connect", metavar="HOST:PORT", help="Coordinator to ask; needs a key with the role admin.")
@click.option("--index", type=click.Path(path_type=Path, file_okay=False), help="Index to look in, without one.")
@click.option("--max-documents", type=click.IntRange(1, 1_000), default=100, show_default=True)
@click.option(
    "--copies",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="SHARE",
    help="Look for near copies, too, in which at least this share of a document's text stands word for word.",
)
@_JSON
def preview_command(
    connect: str | None,
    index: Path | None,
    max_documents: int,
    copies: float | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Show which documents a takedown would concern, and near copies that a person has to decide on.

    Changes nothing. A near copy is taken down by its own --document.
    """
    if (connect is None) == (index is None):
        raise click.UsageError("Give --connect HOST:PORT or --index DIR, one of them.")
    wanted = to_takedowns(flags)
    if len(wanted) > 1:
        raise click.UsageError(f"Look at one takedown at a time; {len(wanted)} were given.")
    connection = to_connection(flags, is_used=connect is not None)
    found = _previewed(wanted[0], connect, connection, index, max_documents, copies or 0.0)
    if as_json:
        click.echo(dumps(found))
        return
    for document in found["documents"]:
        click.echo(_line(document))
    for document in found["near_copies"]:
        is_exact = document.content_sha256 in {one.content_sha256 for one in found["documents"]}
        shared = "exact copy" if is_exact else f"copy of {document.copied_share:.0%}"
        click.echo(f"{_line(document)}\t{shared}")
    click.echo(f"{plural(found['num_documents'], 'document')} concerned", err=True)
    if copies:
        click.echo(f"{len(found['near_copies'])} near copies, not concerned", err=True)
        click.echo("an exact copy goes with `--content`, as its line says it, in place of `--document`", err=True)
    if connect is not None and not found["coverage"].complete:
        failed = "; ".join(f"shard {one.shard}: {one.reason}" for one in found["coverage"].failed_shards)
        click.echo(visible(f"Warning: not every shard answered ({failed})"), err=True)


def _previewed(
    wanted: Takedown,
    connect: str | None,
    connection: Connection,
    index: Path | None,
    max_documents: int,
    copies: float,
) -> dict[str, Any]:
    if index is None:
        from headwater.remote_admin import RemoteAdmin  # loads gRPC

        with RemoteAdmin(str(connect), connection) as admin:
            found = admin.preview_takedown(wanted, max_documents, copies)
        return {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    from headwater.takedown_offline import preview  # loads the engine

    offline = preview(index, _kept(wanted, index).target, max_documents, copies)
    return {field.name: getattr(offline, field.name) for field in dataclasses.fields(offline)}


def _kept(takedown: Takedown, index: Path | None) -> KeptTakedown:
    """Returns a takedown as the file keeps it."""
    dated = dataclasses.replace(takedown, added_s=int(time.time()))
    if dated.kind != "document":
        return to_keep(dated)
    if index is None:
        raise click.UsageError("--document with --file needs --index DIR, to keep what the document's content is.")
    from headwater.takedown_offline import document_target  # loads the engine

    id_ = parse_document_id(dated.document)
    check_generation(id_, dated.index_id, IndexManifest.load(index).index_id)
    return to_keep(dated, document_target(index, id_.shard, id_.number))


def _check_is_there(file: Path) -> None:
    if not file.exists():
        raise ConfigurationError(f"{file}: found no file, expected a list of takedowns")


def _print_written(takedowns: Sequence[Takedown], epoch: int, file: Path, as_json: bool) -> None:
    if as_json:
        click.echo(dumps({"takedowns": list(takedowns), "epoch": epoch}))
        return
    for one in takedowns:
        click.echo(one.id)
    click.echo(f"list {epoch} in {visible(str(file))}; coordinators that use the file obey within seconds", err=True)
    if corpora := sorted({name for one in takedowns for name in one.corpora}):
        named = f"only where a corpus has the name {', '.join(corpora)}; look with `takedown list --connect`"
        click.echo(visible(f"in later generations of an index {named}"), err=True)


def _print_state(state: TakedownState) -> None:
    behind = [replica for replica in state.replicas if replica.problem]
    obey = len(state.replicas) - len(behind)
    click.echo(f"list {state.epoch}: obeyed by {obey} of {plural(len(state.replicas), 'replica')}", err=True)
    for replica in behind:
        told = f"not asked until it obeys: {replica.shard} at {replica.address}: {replica.problem}"
        click.echo(visible(f"Warning: {told}"), err=True)
    if state.unserved_ids:
        unserved = f"{plural(len(state.unserved_ids), 'takedown')} of corpora that are not served here"
        click.echo(f"Warning: {unserved}, which hide nothing: {', '.join(state.unserved_ids[:_MAX_NAMED])}", err=True)


def _print_takedowns(takedowns: Sequence[Takedown]) -> None:
    for one in takedowns:
        kind = one.kind
        value = getattr(one, kind)
        added = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one.added_s)) if one.added_s else "-"
        corpora = ",".join(one.corpora) or "every corpus"
        # What a document's id means: the number is another one in the next generation, the content is not.
        content = [f"index {one.index_id}", f"{one.document_sha256}:{one.content_tokens}"] if one.document else []
        click.echo(_row(one.id, kind, value, corpora, added, one.reason, *content))


def _line(document: TakedownDocument) -> str:
    content = f"{document.content_sha256}:{document.num_tokens}"
    return _row(document.id, plural(document.num_tokens, "token"), document.source, document.url, content)


def _row(*cells: str) -> str:
    return "\t".join(map(visible, cells))
