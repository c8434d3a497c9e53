"""``headwater demo``: an index of real text, a real cluster, a traced answer; everything stopped at the end."""

import shlex
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

import headwater
from coordinator.local.child_processes import adopt_orphans, end_descendants
from coordinator.results import Trace
from headwater.demo_answer import ANSWER, PROMPT
from headwater.demo_index import prepare_index
from headwater.demo_steps import Steps
from headwater.labels import plural
from headwater.local_cluster import LocalCluster
from headwater.render_html import write_report
from headwater.render_terminal import print_trace
from headwater.trace_command import output_console
from index_format.manifest import write_durably

_NUM_DOCUMENTS = 3


@click.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".demo"),
    show_default=True,
    metavar="DIR",
    help="Where the index and the report go.",
)
@click.option("--rebuild", is_flag=True, help="Build the index anew even if it is up to date.")
def demo(directory: Path, rebuild: bool) -> None:
    """Build an index of this Python's own documentation and sources, serve it, and trace an answer about Python.

    Nothing is downloaded and nothing is left running.
    """
    console = output_console()
    console.print(Text("Headwater demo", "bold"))
    steps = Steps(console, total=5)
    index = prepare_index(directory, steps, rebuild=rebuild)
    trace = _trace_through_a_cluster(index, steps)
    print_trace(trace, console, _NUM_DOCUMENTS)
    _keep(directory, trace)
    _say_what_next(console, directory)


def _trace_through_a_cluster(index: Path, steps: Steps) -> Trace:
    cluster = LocalCluster(index, on_progress=steps.say)
    adopt_orphans()
    try:
        with steps.step("Serve") as step:
            cluster.start()
            servers = plural(len(set(cluster.shard_addresses)), "shard server")
            step.summary = f"{servers} and a coordinator on Ray at {cluster.grpc_target}"
        with steps.step("Trace") as step, headwater.connect(cluster.grpc_target) as remote:
            trace = remote.trace(ANSWER, PROMPT)
            found = plural(len(trace.merged_spans), "passage")
            documents = plural(len(trace.documents), "document")
            step.summary = f"{found} in {documents}, {trace.timings.total_ms:.0f} ms in the coordinator"
        with steps.step("Stop") as step:
            cluster.stop()
            step.summary = "every process ended"
    finally:
        cluster.stop()
        end_descendants(0)
    return trace


def _keep(directory: Path, trace: Trace) -> None:
    write_durably(directory / "answer.txt", ANSWER.encode())
    write_durably(directory / "prompt.txt", PROMPT.encode())
    write_report(directory / "trace.html", trace, PROMPT)


def _say_what_next(console: Console, directory: Path) -> None:
    command = shlex.quote(_command())
    place = {name: shlex.quote(str(directory / name)) for name in ("index", "answer.txt", "prompt.txt", "trace.html")}
    console.print()
    console.print(Text("READ IT AGAIN", "bold"))
    console.print()
    for line in (
        f"open {place['trace.html']} in a browser, or trace it here, with no server:",
        f"  {command} trace --index {place['index']} --file {place['answer.txt']} --prompt-file {place['prompt.txt']}",
        "serve the index, and ask it from another terminal:",
        f"  {command} serve --index {place['index']}",
        f"  {command} trace --connect 127.0.0.1:9000 --file {place['answer.txt']}",
    ):
        console.print(Text(f"  {line}"), soft_wrap=True)


def _command() -> str:
    """Returns how to call this very command from here."""
    beside = Path(sys.prefix) / "bin" / "headwater"
    if beside.is_relative_to(Path.cwd()):
        return str(beside.relative_to(Path.cwd()))
    return "headwater"
