"""The figures of a results folder: the names of their files, and what each shows in words."""

from streamclust.memory import MIB

FOLDER = "figures"
COMPARISON, OUTLIERS = "comparison", "outliers"
# What matplotlib holds while it draws one of the figures.
FIGURE_BYTES = 236 * MIB

# By the end of the file's name, without the set's before it; to be read within a sentence.
CAPTIONS = {
    "en": {
        "variance": "share of the variance by number of components",
        "metrics": "indices of all clusterings over the number of clusters",
        "dendrogram": "the top of the tree of Ward's method",
        "map-pca": "all rows on the first two principal components, by cluster",
        "map-discriminant": "all rows on the axes that tell the clusters apart, by cluster",
        "-2": "all rows on the plane of a layout by {method}, by cluster",
        "-2-clusters": "each cluster by itself on the plane of a layout by {method}",
        "-3": "all rows in the space of a layout by {method}, from several sides",
        "outlier-scores": "outlier scores of all rows, with their threshold",
        "outliers-top": "the images of the highest outlier scores",
        "outliers-": "images of outliers: {kind}",
        "comparison-agreement": "how far the clusterings of the sets agree",
        "comparison-attributes": "how well the clusters of each set fit what is known of images",
        "comparison-yield": "share of the images labelled right by naming clusters only",
        "comparison-": "which clusters of one set go into which of another",
    },
    "ru": {
        "variance": "доля дисперсии по числу компонент",
        "metrics": "показатели всех кластеризаций по числу кластеров",
        "dendrogram": "вершина дерева, построенного методом Уорда",
        "map-pca": "все строки по первым двум главным компонентам",
        "map-discriminant": "все строки по осям, лучше всего разделяющим кластеры",
        "-2": "все строки, раскладка {method}",
        "-2-clusters": "каждый кластер отдельно, раскладка {method}",
        "-3": "все строки, раскладка {method} в пространстве",
        "outlier-scores": "оценки выбросов и порог",
        "outliers-top": "изображения с наибольшими оценками выбросов",
        "outliers-": "изображения выбросов: {kind}",
        "comparison-agreement": "насколько согласны кластеризации наборов",
        "comparison-attributes": (
            "насколько кластеры наборов отвечают тому, что известно об изображениях"
        ),
        "comparison-yield": "доля изображений, размеченных верно одними названиями кластеров",
        "comparison-": "какие кластеры одного набора переходят в какие другого",
    },
}


def figure_file(about: str, kind: str) -> str:
    """The file of a figure in the results folder: of a set, or of `COMPARISON` or `OUTLIERS`."""
    return f"{FOLDER}/{about}-{kind}.png"


def caption(name: str, language: str = "en") -> str:
    """What the figure of this name, that of its file without ending, shows.

    >>> caption("osnet-umap-2")
    'all rows on the plane of a layout by umap, by cluster'
    """
    captions = CAPTIONS[language]
    for ending in sorted(captions, key=len, reverse=True):
        if name.endswith(ending):
            method = name.removesuffix(ending).rpartition("-")[2]
            return captions[ending].format(method=method)
    for about in (OUTLIERS, COMPARISON):
        if name.startswith(f"{about}-"):
            kind = name.removeprefix(f"{about}-").replace("-", " ")
            return captions[f"{about}-"].format(kind=kind)
    return name
