"""``headwater index verify``: whether an index is what was published, and with ``--deep`` whether it is right."""

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from headwater.build_progress import build_progress
from headwater.command_options import PATH, SEED, json_option, sample_option, threads_option
from headwater.labels import plural
from headwater.plain_text import visible
from indexing import VerificationReport, find_problems
from indexing.verification import MAX_PROBLEMS

# The shares of damage for which it is said how probably a sample missed them.
_DAMAGED_SHARES = (0.01, 0.001)


@click.command("verify")
@click.argument("directory", type=PATH)
@click.option(
    "--deep",
    is_flag=True,
    help="Check the contents as well: order of the suffixes, documents, counts, sidecars. Takes as long as sorting.",
)
@sample_option("With --deep: look only at this share of everything, like 0.01, and at no checksum of a large file.")
@SEED
@threads_option()
@json_option("the result")
def verify_command(directory: Path, deep: bool, sample: float | None, seed: int, threads: int, as_json: bool) -> None:
    """Check an index: manifests, sizes, checksums, tokenizer, metadata; with --deep everything.

    Without --deep this finds out whether the files are what was published, as fast as the disk reads. --deep also
    finds what was wrong before it was published. All problems are listed, at most 20; the exit status is then 1.

    Example: headwater index verify my-index --deep --sample 0.01
    """
    if sample is not None and not deep:
        raise click.UsageError("--sample is of the contents, which only --deep looks at: give both.")
    with build_progress(Console(stderr=True)) as shown:
        report = find_problems(directory, shown, threads, deep=deep, sample=sample, seed=seed)
    if as_json:
        click.echo(json.dumps(_as_json(directory, report)))
    else:
        _print_report(directory, report)
    if report.problems:
        for problem in report.problems:
            click.echo(f"Error: {visible(str(problem))}", err=True)
        more = f"; there may be more, the search ended at {MAX_PROBLEMS}" if report.is_cut_off else ""
        raise click.ClickException(f"{visible(str(directory))}: {plural(len(report.problems), 'problem')} found{more}")


def _print_report(directory: Path, report: VerificationReport) -> None:
    manifest = report.manifest
    held = f"{plural(manifest.num_shards, 'shard')}, {plural(manifest.num_tokens, 'token')}"
    if not report.problems:
        whole = "is whole" if report.sample is None else "shows no damage"
        click.echo(f"{visible(str(directory))}: index {manifest.index_id} {whole}: {held}")
    for kind in report.looked_at:
        share = "" if kind.is_everything else f" ({kind.looked_at / kind.total:.2%})"
        click.echo(f"  {kind.kind:<20} {kind.looked_at:,} of {kind.total:,}{share}")
    if report.sample is not None:
        click.echo(f"  Damage was missed with a probability of (seed {report.seed}):")
        for kind in report.looked_at:
            if not kind.is_everything and kind.looked_at:
                of = "of them" if kind.run == 1 else f"of runs of {kind.run:,}"
                missed = ", ".join(f"{kind.missed(share):.2g} if it hit {share:.1%}" for share in _DAMAGED_SHARES)
                click.echo(f"  {kind.kind:<20} {missed} {of}")
    if not report.deep and not report.problems:
        click.echo("  The files are what was published; --deep also checks that they are right.")


def _as_json(directory: Path, report: VerificationReport) -> dict[str, object]:
    return {
        "directory": str(directory),
        "verified": not report.problems,
        "deep": report.deep,
        "sample": report.sample,
        "seed": report.seed,
        "manifest": asdict(report.manifest),
        "looked_at": [
            {
                **asdict(kind),
                "missed": {str(share): kind.missed(share) for share in _DAMAGED_SHARES},
            }
            for kind in report.looked_at
        ],
        "problems": [{"kind": type(problem).__name__, "message": str(problem)} for problem in report.problems],
        "more_problems_possible": report.is_cut_off,
        "notes": report.notes,
        "stage_seconds": dict(report.stage_seconds),
    }
