"""The paths of the rows' images into the store."""

from dataclasses import dataclass
from pathlib import Path

from streamclust.errors import SourceError
from streamclust.memory import MIB, Need
from streamclust.passes import Passes
from streamclust.sources import FileState, check_unchanged, list_layout
from streamclust.steps import CaseShapes, Job, Step
from streamclust.store import batched_paths, case_paths, fingerprint

# A chunk of long paths as Python strings, twice: as they are read, and as they are stored.
PATHS_BYTES = 64 * MIB


@dataclass(frozen=True)
class StorePaths(Step):
    """Write the paths of all rows; those of another case are put aside.

    Where the paths were read and where the images are is kept with them.

    Parameters
    ----------
    file : Path
        The list of paths.
    images : Path, optional
        The folder or archive of the images.
    n_listed : int
        Rows that it lists.
    state : FileState, optional
        What it was like when they were counted.

    Raises
    ------
    SourceError
        For a list that is written while it is read.
    """

    name = "paths"
    file: Path
    images: Path | None
    n_listed: int
    state: FileState | None = None

    def n_rows(self, on: CaseShapes) -> int:
        return self.n_listed

    def needs(self, on: CaseShapes) -> list[Need]:
        return [Need(fixed=PATHS_BYTES)]

    def fingerprint(self, job: Job) -> str:
        separator, column, _ = list_layout(self.file)
        # Which of several columns is read has changed; lists of one column are what they were.
        chosen = [] if (separator, column) == (",", 0) else [separator, column]
        state = self.state or FileState.of(self.file)
        return fingerprint(self.name, 1, state.fingerprint, *chosen)

    def restore(self, job: Job, mark: str) -> bool:
        stored = case_paths(job.workspace)
        if is_there := stored.restore(mark):
            stored.note_places(self.file, self.images)
        return is_there

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        stored = case_paths(job.workspace)
        with (
            stored.written(self.n_listed, mark, self.file, self.images) as array,
            job.events.passing(self.file.name, self.n_listed) as advance,
        ):
            start = 0
            for block in batched_paths(self.file):
                array[start : start + len(block)] = block[: self.n_listed - start]
                start += len(block)
                advance(len(block))
            check_unchanged(self.file, self.state)
            if start != self.n_listed:
                raise SourceError(
                    f"{self.file}: lists {start} paths and not {self.n_listed}, as there were "
                    "before: give the same command again once it is written"
                )
