"""Tables for the terminal: what a run came to, what a folder holds, what a plan takes."""

import shlex
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from streamclust.memory import MIB, format_bytes
from streamclust.report import in_line

if TYPE_CHECKING:
    from streamclust.outliers import Evaluation
    from streamclust.steps import Planned


# What goes on from a run.
_NEXT = {
    "describe": "what is in each cluster, in sentences",
    "report": "a page to look at it all, and to name clusters in",
}
# Below the indices of several sets.
WITHIN = "Calinski-Harabasz and Davies-Bouldin compare k within a set, not sets with each other."


def print_summary(about: dict[str, Any], sets: tuple[str, ...] | None) -> None:
    """The end of a run: a line a set, all by default, then where the results are."""
    console = _console()
    _print_sets(console, about, sets or tuple(about["descriptors"]))
    console.print(f"labels, tables, figures and run.json: {about['folder']}", markup=False)
    out = shlex.quote(str(about["folder"]))
    for number, (command, use) in enumerate(_NEXT.items()):
        lead = " " * 6 if number else "next: "
        line = f"{lead}streamclust {command} {out}  # {use}"
        console.print(line, markup=False, soft_wrap=True)


def print_info(about: dict[str, Any]) -> None:
    """What a results folder holds."""
    console = _console()
    _print_sets(console, about, tuple(about["descriptors"]))
    paths = "no image paths" if about["paths"] is None else f"{about['paths']:,} image paths"
    console.print(f"{about['folder']}: {format_bytes(about['bytes'])}, {paths}", markup=False)
    if found := about["outliers"]:
        flagged, sets = found["n_flagged"], ", ".join(found["sets"])
        threshold = f"threshold of the score {found['threshold']:.4g}"
        console.print(f"outliers: {flagged:,} rows flagged by {sets}; {threshold}", markup=False)
    for name, one in about["descriptors"].items():
        told = [*one.get("reasons", ()), *(f"warning: {text}" for text in one.get("warnings", ()))]
        if one.get("unmeasured"):
            names = ", ".join(one["unmeasured"][:3]) + " …" * (len(one["unmeasured"]) > 3)
            told.append(f"not measured: {names}: streamclust measure OUT")
        for text in told:
            console.print(f"{name}: {text}", markup=False)


def print_plan(plans: "list[Planned]", budget: int) -> None:
    """The memory of each step, and the least budget that would do."""
    table = Table(
        "set", "step", "blocks in flight", "peak memory", "least memory", box=box.SIMPLE_HEAD
    )
    for planned in plans:
        least = max(need.smallest for need in planned.needs)
        table.add_row(
            planned.set_name or "",
            f"{planned.step} by {planned.part}" if planned.part else planned.step,
            str(planned.in_flight),
            format_bytes(planned.peak),
            format_bytes(least),
        )
    console = _console()
    console.print(table)
    least = max(need.smallest for planned in plans for need in planned.needs)
    peak = max(planned.peak for planned in plans)
    # Rounded up: it must be enough.
    least_memory = f"least --memory: {-(-least // MIB)} MiB"
    console.print(f"peak {format_bytes(peak)} of {format_bytes(budget)}; {least_memory}")


def print_evaluation(result: "Evaluation") -> None:
    """What a truth table says: scores, measures, flags, reasons, clusterings."""
    console = _console()
    for heading, lines in result.tables().items():
        console.print(heading, markup=False)
        table = Table(*lines[0], box=box.SIMPLE_HEAD)
        for line in lines:
            table.add_row(*line.values())
        console.print(table)
    for column, cause in result.skipped.items():
        console.print(f"{column}: not compared, {cause}", markup=False)


def _console() -> Console:
    console = Console(highlight=False)
    # A file or pipe has no width: rich would take 80 columns and cut the numbers.
    return console if console.is_terminal else Console(highlight=False, width=160)


def _print_sets(console: Console, about: dict[str, Any], names: tuple[str, ...]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("set", "recommended"):
        table.add_column(heading, overflow="fold")
    numbers = ("rows", "columns", "PCA", "variance", "CH", "DB", "simpl. silh.", "smallest")
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    for name in names:
        table.add_row(*in_line(name, about["descriptors"][name]).values())
    console.print(table)
    if len(names) > 1:
        console.print(WITHIN)
