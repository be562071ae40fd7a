"""The results of a case as an object: what they hold, and a method for each command on them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from streamclust.errors import SettingsError
from streamclust.events import Observer
from streamclust.held_paths import HeldPaths, list_file
from streamclust.last_settings import settings_of
from streamclust.results import Results
from streamclust.settings import AUTO
from streamclust.settings.keywords import (
    ClusterKeywords,
    GroupedKeywords,
    MixKeywords,
    OutlierKeywords,
    ReadingKeywords,
    ReduceKeywords,
    SeededKeywords,
    SetKeywords,
    with_settings,
)

if TYPE_CHECKING:
    from streamclust.outliers import Evaluation
    from streamclust.steps import Job
    from streamclust.store import Damage

PathLike = str | Path
Observers = Iterable[Observer]


class Case(Results):
    """The results of a case, and the commands that add to them.

    A command goes on with the settings that made what it works on; a settings file, ``config``,
    goes over these, and keywords go over both. docs/commands.md tells what each setting means. A
    method gives the case again, for the next one: ``case.cluster(n_clusters=40).measure()``.

    Parameters
    ----------
    out : path
        The results folder.

    Attributes
    ----------
    folder : Path
    store : zarr.Group
        All that was computed, as plain Zarr arrays.
    """

    @with_settings
    def reduce(self, *, observers: Observers = (), **settings: Unpack[ReduceKeywords]) -> "Case":
        """Reduce the ingested sets to their principal components."""
        from streamclust import pipeline

        with self._working("reduce", observers, settings) as job:
            pipeline.each_set(pipeline.reduce_set, job)
        return self

    @with_settings
    def cluster(self, *, observers: Observers = (), **settings: Unpack[ClusterKeywords]) -> "Case":
        """Cluster the reduced sets for every k of the sweep that is not there yet.

        An automatic sweep is measured on the way, to know where it ends.
        """
        from streamclust import pipeline

        with self._working("cluster", observers, settings) as job:
            is_auto = job.settings.n_clusters == AUTO
            (pipeline.cluster_sets if is_auto else pipeline.cluster_only)(job, job.chosen())
        return self

    @with_settings
    def measure(self, *, observers: Observers = (), **settings: Unpack[SeededKeywords]) -> "Case":
        """Measure the clusterings that have not been measured, and refit halves for their
        stability."""
        from streamclust import pipeline

        with self._working("measure", observers, settings) as job:
            pipeline.each_set(pipeline.measure_set, job)
        return self

    @with_settings
    def outliers(self, *, observers: Observers = (), **settings: Unpack[OutlierKeywords]) -> "Case":
        """Score every row, flag outliers with a kind and its reason, and list duplicates.

        Writes ``outliers.csv``, ``outlier_reasons.csv``, ``outlier_groups.csv`` and
        ``duplicates.csv``; see docs/outliers.md.
        """
        from streamclust import pipeline

        with self._working("outliers", observers, settings) as job:
            pipeline.find_outliers(job)
            pipeline.export(job)
        return self

    @with_settings
    def mix(
        self,
        sets: str | Sequence[str],
        weights: str | Sequence[float] | None = None,
        *,
        consensus: bool = False,
        name: str | None = None,
        observers: Observers = (),
        **settings: Unpack[MixKeywords],
    ) -> "Case":
        """Mix descriptor sets into one, and reduce, cluster and measure it like any other.

        Parameters
        ----------
        sets : sequence of str
            Two or more; each once.
        weights : "auto", or sequence of float, optional
            Shares of the variance that the sets get, relative to each other; equal ones by
            default. auto searches those at which the set that is served worst is served best.
        consensus : bool
            Mix the labels of the sets' recommended clusterings in place of their descriptors.
        name : str, optional
            Of the set that is made: ``a+b``, or ``consensus-a+b``.

        Raises
        ------
        SettingsError
            When a set is not there or named twice, or a weight is not above 0.
        """
        from streamclust import pipeline
        from streamclust.comparison import MixedSet

        mixture = MixedSet(_names(sets) or (), weights, consensus, name)
        # Labels are reduced to components of their own, which those of descriptors tell nothing of.
        of = ("clustering",) if consensus else None
        if consensus and settings.get("config") is None and settings.get("n_clusters") is None:
            # Nor does the sweep of descriptors tell how many different rows of labels there are.
            settings["n_clusters"] = AUTO
        with self._working("mix", observers, settings, of) as job:
            pipeline.mix_sets(job, mixture)
        return self

    @with_settings
    def layout(
        self,
        method: str = "umap",
        dimensions: int = 2,
        *,
        clustering: str | int | None = None,
        observers: Observers = (),
        **settings: Unpack[SeededKeywords],
    ) -> "Case":
        """Place all rows of the chosen sets on a plane or in space.

        Positions and how well they keep neighbours are stored, see docs/layouts.md, and
        drawn.

        Parameters
        ----------
        method : {"umap", "pca", "lda"}
            Of a neighbourhood graph of landmarks (McInnes et al. 2018; needs umap-learn), by
            principal components, or by the axes that tell a clustering's clusters apart.
        dimensions : {2, 3}
        clustering : str or int, optional
            Which one lda tells apart, see `labels`: the recommended one by default.

        Raises
        ------
        SettingsError
            When a set is not reduced, has no such clustering, or umap-learn is not installed.
        """
        from streamclust import pipeline

        with self._working("layout", observers, settings) as job:
            pipeline.lay_out(job, method, dimensions, _text(clustering))
        return self

    @with_settings
    def compare(
        self,
        attributes: PathLike | None = None,
        *,
        columns: str | Sequence[str] | None = None,
        observers: Observers = (),
        **settings: Unpack[GroupedKeywords],
    ) -> "Case":
        """Compare the clustered sets with each other, and with what is known of the images.

        Writes ``comparison.csv``, ``agreement.csv``, ``contingency.csv``, ``attributes.csv``,
        ``mixing.csv`` and ``yield.csv``; see docs/comparison.md.

        Parameters
        ----------
        attributes : path, optional
            A CSV with a column ``row`` or ``path`` and others with attributes, or VERI-Wild's
            ``vehicle_info.txt``; its lines may be of some of the images. Without it, that which
            was named before, with the columns that were.
        columns : sequence of str, optional
            The attributes to use, also such as would be left out, where one value has nearly all
            rows.

        Raises
        ------
        SourceError
            When the table cannot be used, or matches few of the images.
        SettingsError
            When no set is clustered and measured, or the table has no column of a name in
            `columns`.
        """
        from streamclust import pipeline

        with self._working("compare", observers, settings) as job:
            pipeline.compare_sets(job, _path(attributes), _names(columns))
        return self

    @with_settings
    def describe(
        self,
        attributes: PathLike | None = None,
        *,
        columns: str | Sequence[str] | None = None,
        clustering: str | int | None = None,
        language: str = "en",
        observers: Observers = (),
        **settings: Unpack[GroupedKeywords],
    ) -> "Case":
        """Describe clusters: rows to look at, what sets each apart, in sentences and numbers.

        Writes ``descriptions.csv``, ``description_evidence.csv`` and ``readability.csv``; see
        docs/descriptions.md.

        Parameters
        ----------
        attributes, columns
            As for `compare`.
        clustering : str or int, optional
            Which one of each set, see `labels`; the recommended one by default.
        language : {"en", "ru"}
            Of the names and sentences of ``descriptions.csv``.

        Raises
        ------
        SourceError
            When the table cannot be used, or an archive of images is replaced while it is read.
        SettingsError
            When no set has such a clustering, or there are no words of the language.
        """
        from streamclust import pipeline

        _check_language(language)
        table, names = _path(attributes), _names(columns)
        with self._working("describe", observers, settings) as job:
            pipeline.describe_sets(job, table, names, clustering, language)
        return self

    @with_settings
    def report(
        self,
        to: PathLike | None = None,
        *,
        language: str = "en",
        overwrite: bool = False,
        observers: Observers = (),
        **settings: Unpack[SeededKeywords],
    ) -> "Case":
        """Write one HTML page to look at results, and to name clusters in.

        Parameters
        ----------
        to : path, optional
            The file; ``report.html`` in the results folder by default.
        language : {"en", "ru"}
            Of the page, and of the names and sentences of described clusters.
        overwrite : bool
            Write over a file `to` of another origin.

        Raises
        ------
        SettingsError
            When no set is reduced, there are no words of the language, or a file would be
            overwritten.
        """
        from streamclust.report import report

        _check_language(language)
        with self._working("report", observers, settings) as job:
            report(job, _path(to), language, overwrite=overwrite)
        return self

    @with_settings
    def evaluate(
        self, truth: PathLike, *, observers: Observers = (), **settings: Unpack[SetKeywords]
    ) -> "Evaluation":
        """Compare outliers and clusterings with a truth table; writes ``evaluation.csv``.

        Parameters
        ----------
        truth : path
            A CSV with a column ``row`` or ``path``, ``outlier_kind`` (empty: ordinary), and others
            with attributes; its rows may be some of the case's.

        Raises
        ------
        SourceError
            When the table cannot be used.
        SettingsError
            When there is nothing to compare.
        """
        from streamclust.outliers import evaluate

        with self._working("evaluate", observers, settings) as job:
            return evaluate(job, Path(truth))

    @with_settings
    def label(
        self,
        names: PathLike | None = None,
        *,
        template: PathLike | None = None,
        overwrite: bool = False,
        observers: Observers = (),
        **settings: Unpack[SetKeywords],
    ) -> "Case":
        """Give names to clusters, and with them to all rows; or write the table to fill in.

        Parameters
        ----------
        names : path, optional
            A CSV with the columns ``set,clustering,cluster,name,outlier,mark``, of which
            ``cluster`` and ``name`` must be there; clusters of equal names are merged. Writes
            ``named.csv``; see docs/labels.md.
        template : path, optional
            Where to write such a table of the recommended clusterings, to fill in.
        overwrite : bool
            Write the template over a file of another origin.

        Raises
        ------
        SourceError
            When the table cannot be read.
        SettingsError
            When it tells of what is not there, of another run, or of a cluster in two ways;
            nothing is stored then.
        """
        from streamclust import pipeline
        from streamclust.labelling import write_template

        if (names is None) == (template is None):
            raise SettingsError("name a table of --names, or a --template to write")
        with self._working("label", observers, settings) as job:
            if names is not None:
                pipeline.name_clusters(job, Path(names))
            if template is not None:
                write_template(job, Path(template), overwrite=overwrite)
        return self

    @with_settings
    def audit(
        self,
        to: PathLike | None = None,
        *,
        rows: int = 200,
        answers: PathLike | None = None,
        clustering: str | int | None = None,
        overwrite: bool = False,
        observers: Observers = (),
        **settings: Unpack[SeededKeywords],
    ) -> "Case":
        """Ask a person about some named rows, or tell by the answers how right the names are.

        Parameters
        ----------
        to : path, optional
            Where to write the table of the rows to look at: a simple random sample of each named
            cluster, with an empty column ``answer``. Drawn again, it holds the answers that there
            are, and the further rows of a larger `rows`.
        rows : int
            How many to ask about; two of each cluster at least.
        answers : path, optional
            That table filled in: 1 where the name is right, 0 where it is not, or the right name.
            Writes ``accuracy.csv``; see docs/audit.md.
        clustering : str or int, optional
            Which one of the set, see `labels`; the recommended one by default.
        overwrite : bool
            Write `to` over a file of another origin.

        Raises
        ------
        SourceError
            When the table cannot be read, or tells of a row that there is not.
        SettingsError
            When no cluster has a name, the labels have changed since rows were drawn, or a row is
            answered for in two ways; nothing is stored then.
        """
        from streamclust.labelling import draw_audit, read_audit

        if (to is None) == (answers is None):
            raise SettingsError("name a table of --answers, or a file to write the rows --to")
        if rows < 1:
            raise SettingsError(f"rows={rows}: ask for 1 at least")
        with self._working("audit", observers, settings) as job:
            if answers is not None:
                read_audit(job, Path(answers), _text(clustering))
            if to is not None:
                draw_audit(job, Path(to), rows, _text(clustering), overwrite)
        return self

    @with_settings
    def export(
        self,
        to: PathLike | None = None,
        *,
        form: str | None = None,
        folders: PathLike | None = None,
        clustering: str | int | None = None,
        overwrite: bool = False,
        observers: Observers = (),
        **settings: Unpack[SeededKeywords],
    ) -> "Case":
        """Write labels.csv, metrics.csv, clusters.csv and the clusterings' figures from what is
        stored.

        Tables and figures of the outliers and duplicates come with `outliers`. With `to` or
        `folders` only these are written: see docs/labels.md.

        Parameters
        ----------
        to : path, optional
            A file with a line a row, ``.csv``, ``.parquet``, ``.json`` or ``.jsonl``: label, name,
            distance, confidence, outlier score and reason; or what `form` is written to.
        form : {"coco", "fiftyone", "cvat", "label-studio", "huggingface"}, optional
            Image labels as these tools take them, of one set; huggingface makes a folder.
        folders : path, optional
            A folder a name, of links to the images.
        clustering : str or int, optional
            Which one of each set, see `labels`; the recommended one by default.
        overwrite : bool
            Write `to` over a file of another origin.

        Raises
        ------
        SettingsError
            When there is no such clustering, or a file that would be overwritten.
        """
        from streamclust import pipeline
        from streamclust.labelling import ExportOptions, export_rows

        elsewhere = None
        if to is not None or folders is not None or form is not None:
            chosen = _path(to), form, _path(folders), _text(clustering), overwrite
            elsewhere = ExportOptions(*chosen)
        with self._working("export", observers, settings) as job:
            if elsewhere is not None:
                export_rows(job, elsewhere)
                return self
            pipeline.write_tables(job)
        return self

    @with_settings
    def assign(
        self,
        new: PathLike | Sequence[PathLike],
        to: PathLike,
        *,
        clustering: str | int | None = None,
        outliers: bool = True,
        paths: HeldPaths | None = None,
        models: Sequence[PathLike] = (),
        overwrite: bool = False,
        observers: Observers = (),
        **settings: Unpack[SeededKeywords],
    ) -> "Case":
        """Assign rows that come later to the stored clusters, and tell how they differ from the
        old.

        Parameters
        ----------
        new : path or sequence of paths
            A case folder, or descriptor files that are called as the sets; or a folder or zip file
            of images, where the results were made of images by `streamclust.embed`.
        to : path
            A file with a line a row, ``.csv``, ``.parquet``, ``.json`` or ``.jsonl``;
            ``drift.csv`` is written beside it. See docs/assign.md.
        clustering : str or int, optional
            Which one of each set, see `labels`; the recommended one by default.
        outliers : bool
            Score the rows, which takes most of the time.
        paths : path, or sequence of str, optional
            The list of the rows' paths, where it is not in the case folder.
        models : sequence of paths
            For images: networks that are not where they were when they described the old ones.
        overwrite : bool
            Write over files of another origin.

        Raises
        ------
        SourceError
            When a file cannot be read, or is of another width or type than its set.
        SettingsError
            When there is no such clustering, or a file that would be overwritten.
        """
        from streamclust.embedding import NewImages
        from streamclust.labelling import AssignOptions, assign
        from streamclust.sources import CaseInputs

        maybe_images = NewImages(new, models)
        with (
            self._working("assign", observers, settings) as job,
            list_file(paths) as listed,
            maybe_images.described(job) as given,
        ):
            inputs = CaseInputs(given, listed)
            wanted = AssignOptions(inputs, Path(to), _text(clustering), outliers, overwrite)
            assign(job, wanted)
        return self

    @with_settings
    def update(
        self,
        new: PathLike | Sequence[PathLike],
        *,
        paths: HeldPaths | None = None,
        images: PathLike | None = None,
        models: Sequence[PathLike] = (),
        observers: Observers = (),
        **settings: Unpack[ReadingKeywords],
    ) -> "Case":
        """Add rows to results: their clusterings go on learning, and what changed is told.

        The projection stays, clusters keep their numbers, and all that was measured, scored and
        written is made anew with the settings that it was made with. Files that were added already
        are not added again. Writes ``label_changes.csv`` and ``cluster_changes.csv``; see
        docs/update.md.

        Parameters
        ----------
        new : path or sequence of paths
            A case folder, or descriptor files that are called as the sets: one for each set that
            is not mixed; or arrays, as for `streamclust.run`; or images, as for `assign`, whose
            case is kept in ``cases`` of the results.
        paths : path, or sequence of str, optional
            The list of the rows' paths; what a program holds is kept as ``update_paths.csv``.
        images : path, optional
            The folder or archive of their images, where they are not in the case folder.
        models : sequence of paths
            As for `assign`.

        Raises
        ------
        SourceError
            When files are missing, of another width or type than their set, without paths where
            there are some, or of rows that are there.
        SettingsError
            When a set has no clusterings that could go on.
        """
        from streamclust import pipeline
        from streamclust.embedding import NewImages
        from streamclust.sources import CaseInputs

        maybe_images = NewImages(new, models)
        with (
            self._working("update", observers, settings) as job,
            list_file(paths, job.outputs, "update_paths.csv") as listed,
            maybe_images.described(job, kept=True) as given,
        ):
            pipeline.update(job, CaseInputs(given, listed, images))
        return self

    def verify(self, *, observers: Observers = ()) -> "list[Damage]":
        """Read all results, and tell what is damaged and which command makes it again.

        That command moves what is damaged to ``.streamclust/damaged``; see docs/reliability.md.

        Returns
        -------
        list of Damage
            ``place``, ``what`` is wrong with it, and the ``remedy``; empty where all is well.
        """
        from streamclust import pipeline

        return pipeline.verify(self._workspace, *observers)

    @contextmanager
    def _working(
        self,
        command: str,
        observers: Observers,
        given: Mapping[str, Any],
        goes_on_from: Sequence[str] | None = None,
    ) -> Iterator["Job"]:
        """Hold the results for one command, with its settings."""
        from streamclust import pipeline

        settings, words = settings_of(command, given, self.folder, goes_on_from)
        with pipeline.working(self._workspace, settings, command, *observers) as job:
            if words:
                job.events.note(words)
            yield job


def _path(path: PathLike | None) -> Path | None:
    return None if path is None else Path(path)


def _text(clustering: str | int | None) -> str | None:
    return None if clustering is None else str(clustering)


def _names(names: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Names also where they come as one text with commas."""
    if names is None:
        return None
    return tuple(part.strip() for part in (names.split(",") if isinstance(names, str) else names))


def _check_language(language: str) -> None:
    from streamclust.language import LANGUAGES

    if language not in LANGUAGES:
        raise SettingsError(f"language={language!r} is none of {', '.join(LANGUAGES)}")
