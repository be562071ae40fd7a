"""What the page holds of one set: a sample of its points, cards of its clusterings, figures."""

from streamclust.report.bounds import LABEL_BYTES, POINTS
from streamclust.report.cards import Card, cards, clusterings_with_cards, clusterings_with_labels
from streamclust.report.figures import figures_of_set
from streamclust.report.points import point_needs, sample_points
from streamclust.report.words import Words
from streamclust.steps.job import Job
from streamclust.steps.layout import layouts_of

# Of the report, which gathers them in steps of its own name.
STEP = "report"


class SetParts:
    """What the page of `n_sets` sets holds of one of them."""

    def __init__(self, job: Job, descriptor: str, words: Words, n_sets: int) -> None:
        self.name = descriptor
        self.clusterings = clusterings_with_labels(job.workspace, descriptor, _most_labels(n_sets))
        in_full = {own.name for own in clusterings_with_cards(job.workspace, descriptor)}
        needs = point_needs(job, descriptor, len(self.clusterings))
        n_rows = job.rows_of(descriptor, "reduced").n_rows
        with job.step(STEP, descriptor, needs, n_rows) as passes:
            self.points = sample_points(passes, job, descriptor, self.clusterings)
            self.cards: dict[str, list[Card]] = {
                own.name: cards(
                    job, passes, own, self.points, words.language, brief=own.name not in in_full
                )
                for own in self.clusterings
            }
        layouts = list(layouts_of(job.workspace, descriptor))
        self.figures = figures_of_set(job.workspace.folder, descriptor, layouts, words)


def _most_labels(n_sets: int) -> int:
    """Clusterings of a set whose labels of points find room: base64 of two bytes a point."""
    return LABEL_BYTES * 3 // (4 * 2 * POINTS * n_sets)
