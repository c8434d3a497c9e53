"""``headwater index ...``: what makes indexes, changes, checks, moves and describes them."""

import click

from headwater.lazy_group import LazyGroup

# name: (module, attribute, line of help), in the order in which an index meets them
_COMMANDS = {
    "plan": (
        "headwater.index_plan_command",
        "plan_command",
        "Say what a build takes: disk, memory, hours, shards.",
    ),
    "build": ("headwater.index_build_command", "build_command", "Build the index of a corpus."),
    "accelerate": (
        "headwater.index_accelerate_command",
        "accelerate_command",
        "Add the sidecars that make searches fast.",
    ),
    "info": ("headwater.index_accelerate_command", "info_command", "Say what an index holds."),
    "verify": (
        "headwater.index_check_command",
        "verify_command",
        "Check an index: is it what was published; with --deep, is it right.",
    ),
    "stats": (
        "headwater.index_stats_command",
        "stats_command",
        "Count documents, lengths, repeats, duplicates, sources, tokens.",
    ),
    "add": ("headwater.index_living_command", "add_command", "Add documents, as new shards."),
    "remove": ("headwater.index_living_command", "remove_command", "Mark documents as removed."),
    "compact": (
        "headwater.index_living_command",
        "compact_command",
        "Make an index without the documents that were removed.",
    ),
    "merge-shards": (
        "headwater.index_living_command",
        "merge_shards_command",
        "Make an index of the same documents in fewer shards, or more.",
    ),
    "push": ("headwater.index_storage_command", "push_command", "Put an index on object storage."),
    "pull": (
        "headwater.index_storage_command",
        "pull_command",
        "Bring an index, or some of its shards, from object storage.",
    ),
    "import": (
        "headwater.index_exchange_command",
        "import_command",
        "Make an index of shards that infini-gram built.",
    ),
    "export": (
        "headwater.index_exchange_command",
        "export_command",
        "Give an index out in the form that infini-gram's engine opens.",
    ),
}


class IndexGroup(LazyGroup):
    """The commands about indexes."""

    commands_by_name = _COMMANDS


@click.group(cls=IndexGroup)
def index() -> None:
    """Build, change, check, move and describe indexes."""
