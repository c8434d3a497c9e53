"""``headwater keys ...``: make API keys, and check the file that holds their hashes."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from coordinator.access.key_file import HOLDER_ID, parse_key_file, read_key_file
from coordinator.access.keyring import hash_of, new_key
from coordinator.access.roles import Role
from headwater.labels import plural
from headwater.lazy_group import LazyGroup
from headwater.plain_text import visible

_ROLES = [role.value for role in Role]


class _KeysGroup(LazyGroup):
    """The commands on keys, in the order in which an operator meets them."""

    commands_by_name = {  # noqa: RUF012 - declared so by its base
        "new": ("headwater.keys_command", "new_command", "Make an API key, and its entry for the key file."),
        "check": ("headwater.keys_command", "check_command", "Say whether a key file would be accepted."),
    }


@click.group(cls=_KeysGroup)
def keys() -> None:
    """Make API keys for the coordinator, and check its key file (setting keys_file)."""


@click.command()
@click.option("--id", "holder", required=True, metavar="NAME", help="Whom the key is for; not secret, logs show it.")
@click.option(
    "--roles",
    required=True,
    metavar="ROLES",
    help=f"What it may do, with commas: {', '.join(_ROLES)}.",
)
@click.option("--days", type=click.IntRange(1, 36_500), help="Days after which it is good no more. Default: never.")
@click.option("--comment", default="", help="For whoever reads the file.")
def new_command(holder: str, roles: str, days: int | None, comment: str) -> None:
    """Make a key and print it, once, with the entry that makes it good.

    The key goes to standard error and the entry to standard output: add the entry to the key file, and hand the key to
    whom it is for. The file holds only its hash, so nobody can read the key there.
    """
    chosen = [role.strip() for role in roles.split(",") if role.strip()]
    if unknown := [role for role in chosen if role not in _ROLES]:
        raise click.BadParameter(f"{unknown[0]!r} is no role, expected {', '.join(_ROLES)}", param_hint="--roles")
    if not chosen:
        raise click.BadParameter(f"no role, expected {', '.join(_ROLES)}", param_hint="--roles")
    if not re.fullmatch(HOLDER_ID, holder):
        raise click.BadParameter("expected 1 to 128 letters, digits and ._:@/=-", param_hint="--id")
    key = new_key()
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days) if days else None
    click.echo(f"The key, shown only now:\n\n    {key}\n", err=True)
    click.echo("Its entry, for `keys:` of the key file. To rotate a key, add only the line of", err=True)
    click.echo("`sha256` to the `secrets` of its holder, and take the old one away when nobody uses it.\n", err=True)
    click.echo(_entry(holder, chosen, hash_of(key).hex(), expires, comment))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def check_command(file: Path) -> None:
    """Say whether FILE would be accepted as a key file, and how many keys it holds."""
    keyring = parse_key_file(read_key_file(file), file)
    click.echo(f"{visible(str(file))}: {plural(len(keyring), 'key')}")


def _entry(holder: str, roles: list[str], sha256: str, expires: datetime | None, comment: str) -> str:
    """Returns an entry as YAML, as a person would write it."""
    lines = [
        f"  - id: {json.dumps(holder)}",
        f"    roles: [{', '.join(dict.fromkeys(roles))}]",
        "    secrets:",
        f'      - sha256: "{sha256}"',
    ]
    if expires is not None:
        lines.append(f"        expires: {expires.isoformat().replace('+00:00', 'Z')}")
    if comment:
        lines.append(f"    comment: {json.dumps(comment)}")
    return "\n".join(lines)
