"""New images for results that were made of images: described by the same models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from streamclust.embedding.choose_models import named_file, recorded_models
from streamclust.embedding.image_rows import (
    STEP,
    embed_images,
    find_images,
    holds_images_alone,
    read_record,
    record_of,
)
from streamclust.errors import SettingsError
from streamclust.steps import Job
from streamclust.store import fingerprint, note_embedding, stored_embedding

_CASES = "cases"


def remember_embedding(job: Job, case: Path) -> None:
    """Keep what made the descriptors of a case with the paths that are stored of it.

    Raises
    ------
    SourceError
        When its record cannot be read.
    """
    record = read_record(case)
    if record is not None:
        note_embedding(job.workspace, record)


@dataclass(frozen=True)
class NewImages:
    """What a command is given that may be images.

    Attributes
    ----------
    given : object
        Descriptors, or a folder or archive of images.
    models : sequence of path
        Where networks are that are not where they were.
    """

    given: Any
    models: Sequence[str | Path] = ()

    @contextmanager
    def described(self, job: Job, *, kept: bool = False) -> Iterator[Any]:
        """What is given, with images as a case of what the same models tell of them.

        Parameters
        ----------
        job : Job
        kept : bool
            Whether the case stays in the results, or goes when the block ends well.

        Raises
        ------
        SettingsError
            When the results were not made of images by `streamclust.embed`, or a network is not
            where it was, or has changed.
        SourceError, MemoryBudgetError
            As `embed_images`.
        """
        is_path = isinstance(self.given, str | Path)
        if not is_path or not holds_images_alone(Path(self.given)):
            if self.models:
                raise SettingsError("--model is for images alone, and descriptors are given")
            yield self.given
            return
        workspace, settings = job.workspace, job.settings
        made_by = stored_embedding(workspace)
        if made_by is None:
            raise SettingsError(
                f"{self.given}: holds images alone, and {workspace.folder} was made of descriptors "
                "that streamclust embed did not make: describe them as those were"
            )
        models = recorded_models(made_by, [named_file(str(one))[1] for one in self.models])
        images = find_images(Path(self.given))
        mark = fingerprint(record_of(images, models))
        name = f"{Path(self.given).absolute().stem}-{mark[:8]}"
        with ExitStack() as stack:
            if kept:
                folder = workspace.folder / _CASES
            elif workspace.is_writable:
                folder = stack.enter_context(workspace.scratch(STEP, mark))
            else:
                folder = Path(stack.enter_context(TemporaryDirectory(prefix="streamclust-")))
            case = folder / name
            embed_images(images, models, case, job.events, settings.memory_bytes, settings.workers)
            yield case
