"""What is known of the clusterings of sets: scores as tables, which is recommended, and why."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from streamclust.choice.measurement import scores_of
from streamclust.choice.recommendation_rule import Choice, recommend
from streamclust.store import (
    BIC,
    EVIDENCE,
    STABILITY,
    DescriptorSet,
    Workspace,
    fingerprint,
    forget_recommendation,
    store_recommendation,
    stored_clusterings,
    stored_recommendation,
)

# Raised when the rule changes, so that stored recommendations are made anew.
VERSION = 2


def measured(workspace: Workspace, descriptor: str) -> list[dict[str, Any]]:
    """A set's clusterings with their scores, by algorithm and k; `name` is that in the store."""
    clusterings, lines = stored_clusterings(workspace, descriptor), []
    groups = DescriptorSet(workspace, descriptor).mixture_groups if clusterings else {}
    for clustering in clusterings:
        attributes = clustering.attributes
        scores = scores_of(attributes)
        if scores is not None:
            about = {"algorithm": clustering.algorithm, "n_clusters": clustering.n_clusters}
            known = _known({**attributes, "groups": groups.get("number")})
            lines.append({"set": descriptor, "name": clustering.name, **about, **known, **scores})
    return lines


def _known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a clustering and its set beside scores; NaN where it is not."""
    evidence = attributes.get(EVIDENCE, {})
    known = {
        "separated": evidence.get("separated"),
        "groups": attributes["groups"],
        "consensus": evidence.get("consensus"),
        "gap": evidence.get("gap"),
        "gap_error": evidence.get("gap_error"),
        "stability": attributes.get(STABILITY, {}).get("value"),
        "bic": attributes.get(BIC),
    }
    return {name: math.nan if value is None else value for name, value in known.items()}


def stored_choice(workspace: Workspace, descriptor: str) -> tuple[str | None, Choice]:
    """The name of a set's recommended clustering (None: there is none), and why, as it was stored;
    where it was not, as it would be."""
    stored = stored_recommendation(workspace, descriptor)
    if stored is None or stored["version"] != VERSION:
        lines = measured(workspace, descriptor)
        choice = recommend(lines)
        return _name(lines, choice), choice
    return stored["clustering"], Choice.stored(stored["choice"])


def decide(workspace: Workspace, descriptor: str) -> None:
    """Store which of a set's clusterings is recommended, and why."""
    if not workspace.clusterings(descriptor):
        forget_recommendation(workspace, descriptor)
        return
    lines = measured(workspace, descriptor)
    choice = recommend(lines)
    mark = fingerprint("choice", VERSION, lines)
    about = {"version": VERSION, "choice": dataclasses.asdict(choice)}
    store_recommendation(workspace, descriptor, _name(lines, choice), mark, **about)


def decide_all(workspace: Workspace) -> None:
    """Store what is recommended of all sets, as what is known of their clusterings tells now: a run
    that was killed while it measured left what it had recommended before."""
    for descriptor in workspace.descriptors:
        decide(workspace, descriptor)


def decide_missing(workspace: Workspace) -> None:
    """Store what is recommended of all sets where that is not: a step that failed left it out."""
    for descriptor in workspace.descriptors:
        stored = stored_recommendation(workspace, descriptor)
        if stored is None or stored["version"] != VERSION:
            decide(workspace, descriptor)


def _name(lines: list[dict[str, Any]], choice: Choice) -> str | None:
    return None if choice.index is None else str(lines[choice.index]["name"])
