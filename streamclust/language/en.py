"""English."""

THOUSANDS, DECIMAL = ",", "."

# Of descriptions.
COLOURS = {
    "white": "white",
    "silver": "silver",
    "grey": "grey",
    "black": "black",
    "red": "red",
    "orange": "orange",
    "yellow": "yellow",
    "green": "green",
    "blue": "blue",
    "purple": "purple",
    "pink": "pink",
    "brown": "brown",
    "beige": "beige",
}
# Of an image compared with others, and of images as such.
MEASURES = {
    ("brightness", "higher"): ("brighter", "bright"),
    ("brightness", "lower"): ("darker", "dark"),
    ("contrast", "higher"): ("richer in contrast", "contrasty"),
    ("contrast", "lower"): ("poorer in contrast", "flat"),
    ("detail", "higher"): ("sharper", "sharp"),
    ("detail", "lower"): ("less sharp", "soft"),
    ("size", "higher"): ("larger", "large"),
    ("size", "lower"): ("smaller", "small"),
    ("aspect", "higher"): ("wider for their height", "wide"),
    ("aspect", "lower"): ("taller for their width", "tall"),
}
PICTURES = {
    "dark": ("too dark to see much in", "night"),
    "glare": ("flooded by glare", "glare"),
    "blank": ("blank", "blank"),
    "blur": ("blurred", "blurred"),
    "odd size": ("of an unusual size", "odd size"),
}
# As they are counted after “of”.
PLURALS_OF = {
    "image": ("image looked at", "images looked at"),
    "folder": ("folder", "folders"),
    "row": ("row", "rows"),
}
OR, AND = " or ", " and "
CLUSTER = "cluster {cluster}"
SENTENCES = {
    "colour": "mostly {value} ({inside} of {n} {images}, elsewhere {outside})",
    "measure": "{value} than {chance}",
    "measures": "{listed} of the other images",
    "picture": "{inside} of the images are {value} (elsewhere {outside})",
    "known": " of the {n} known {rows}",
    "attribute": "{name} is {value} in {inside}{known} (elsewhere {outside})",
    "absent": "{name} is hardly ever {value} ({inside}{known}, elsewhere {outside})",
    "outliers": "{inside} of the rows are flagged as outliers (elsewhere {outside})",
    "folders": "{inside} of the {n} {folders} met here lie wholly inside (elsewhere {outside})",
    "set": "{inside} of the rows are in cluster {value} of {name} (elsewhere {outside})",
    "nearest": "nearest is {other}",
    "apart-colour": "here {inside} are {value}, there {outside}",
    "apart-measure": "here the images are {value}",
    "apart-attribute": "here {name} is {value} in {inside}, there in {outside}",
    "nothing": "nothing that was measured sets these images apart from the others",
}

# What is said of the choice among clusterings, by the codes of `choice.remarks`.
CHOICE = {
    "only": "k = {k} is the only one computed",
    "only-sound": "k = {k} is the only one that is not refused",
    "best": "k = {k} {why}",
    "best-and-next": "k = {k} {why}; runner-up: k = {next}, which {why_next}",
    "agrees": "agrees best with the labels that it mixes (mean AMI {ami:.2f})",
    "most-separated": "has the most separated clusters: {separated} of its {k}",
    "groups": "is nearest to a rough count of groups that overlap: {groups} by a Gaussian mixture",
    "largest-silhouette": "has the largest simplified silhouette",
    "algorithm": "{algorithm} is taken of the algorithms, compared at the same k: {compared:; }",
    "larger": "its silhouette is larger than that of {others:, }",
    "smaller": "its silhouette is smaller than that of {others:, }",
    "alike": "as large, within intervals, as that of {others:, }",
    "by-silhouette": "{algorithm} ({own:.3f} to {other:.3f})",
    "by-use": "{algorithm} ({stability}, {balance})",
    "stability": "stability {own:.2f} to {other:.2f}",
    "balance": "balance {own:.2f} to {other:.2f}",
    "stability-unknown": "stability not known",
    "balance-unknown": "balance not known",
    "votes": "of the indices, each alone, {agreeing:, } would take about k = {k} ({votes:, })",
    "no-votes": "of the indices, each alone, none would take about k = {k} ({votes:, })",
    "vote": "{index} {k}",
    "falling": "Calinski-Harabasz falls with every further cluster: it says nothing about k",
    "falling-from": "Calinski-Harabasz falls with every further cluster from k = {since} on: it "
    "says nothing about k",
    "halves": "two halves of the rows agree on its labels to {stability:.2f} (adjusted Rand)",
    "refused": "k = {ks}: {cause}, refused as degenerate",
    "refused-of": "{algorithm}, k = {ks}: {cause}, refused as degenerate",
    "large": "a cluster above {share:.0%} of the rows",
    "tiny": "more than {clusters:.0%} of the clusters are below {share:.1%} of the rows "
    "(outliers?)",
    "noise": "more than {share:.0%} of the rows are noise",
    "few": "fewer than two clusters",
    "none": "no clustering is recommended",
    "no-structure": "no structure: no clusters are set off from each other, and none that other "
    "rows would give again are tighter than those of structureless data; the recommended labels "
    "divide rows, they find no groups",
    "overlap": "only {separated} of the {k} clusters are set off from their neighbours: groups "
    "overlap, and other k may serve as well",
    "all-overlap": "none of the {k} clusters are set off from their neighbours: groups overlap, "
    "and other k may serve as well",
    "unstable": "its labels are not stable: two halves of the rows agree on them to "
    "{stability:.2f} (adjusted Rand), other rows would give others",
    "two": "k = 2 is the least there can be: look at the runner-up, too",
    "lower-end": "k = {k} lies at the lower end of the sweep: widen --n-clusters",
    "upper-end": "k = {k} lies at the upper end of the sweep: widen --n-clusters",
    "least": "k = {k} is the least that is not refused: a better one may be among the refused",
    "largest": "k = {k} is the largest that is not refused: a better one may be among the refused",
    "calinski_harabasz": "Calinski-Harabasz",
    "davies_bouldin": "Davies-Bouldin",
    "silhouette_simplified": "simplified silhouette",
    "silhouette": "silhouette",
    "stability-index": "stability",
    "bic": "BIC",
}

# What a figure shows, by the end of its name; to be read within a sentence.
FIGURES = {
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
}

# Texts of the page.
PAGE = {
    "skip": "Skip to the clusters",
    "intro": "Images were described by numbers, and images with like numbers were put into "
    "clusters. Look at the clusters below, give them names, and save the names: "
    "<code>streamclust label</code> then names all images.",
    "parts": "Parts of this page",
    "run": "What was run",
    "choice-short": "Sets and choice",
    "clusters": "Clusters",
    "outliers": "Outliers",
    "comparison-short": "Comparison",
    "methods-short": "Methods",
    "choice": "Sets and the recommended choice",
    "table-of-sets": "Table of the sets",
    "about-sets": "A set is one kind of descriptor. Silhouette, from &minus;1 to 1, is larger "
    "where clusters lie apart; stability, to 1, where half of the images give the same clusters; "
    "readability, to 1, where pictures alone tell the clusters. Indices compare clusterings of one "
    "set, not sets.",
    "set": "set",
    "columns": "columns",
    "components": "components (variance)",
    "recommended": "recommended",
    "n-clusters": "clusters",
    "silhouette": "silhouette",
    "davies-bouldin": "Davies-Bouldin",
    "calinski-harabasz": "Calinski-Harabasz",
    "stability": "stability",
    "readability": "readability",
    "none": "none",
    "why": "{name}: why {recommended}",
    "why-none": "{name}: why none is recommended",
    "to-note": "({n} to note)",
    "take-care": "Take care:",
    "not-measured": "It was not clustered, or not measured: <code>streamclust cluster OUT</code>, "
    "then <code>streamclust measure OUT</code>.",
    "no-script": "The clusters, the map and the names need JavaScript, which is switched off here.",
    "choose-set": "Set",
    "choose-clustering": "Clustering",
    "choose-algorithm": "Algorithm",
    "choose-k": "Clusters (k)",
    "save": "Save names.csv",
    "undo": "Undo",
    "map": "Map",
    "layout": "Layout",
    "pointer": "Pointer",
    "look": "look",
    "rectangle": "rectangle",
    "lasso": "lasso",
    "select-cluster": "Select cluster",
    "zoom": "Zoom of the map",
    "zoom-in": "Zoom in",
    "zoom-out": "Zoom out",
    "zoom-reset": "Whole map",
    "map-help": "Keys on the map: arrows go from point to point, space selects, Escape clears; "
    "+ and &minus; zoom, 0 shows the whole map, Shift and arrows move it. Once the map is clicked, "
    "the wheel zooms; dragging moves it, and turns a view of space, as page up and down do. Two "
    "fingers zoom and move.",
    "copy": "Copy the paths",
    "clear": "Clear the selection",
    "curves": "Indices over the number of clusters",
    "index": "Index",
    "curves-help": "Point at a number of clusters to read the values, click it to see that "
    "clustering. Keys: arrows go along and between algorithms, Enter chooses. The table below has "
    "the same numbers.",
    "cards": "Cards",
    "filter": "Filter",
    "filter-hint": "name, words or number",
    "least-share": "share from, %",
    "least-outliers": "outliers from, %",
    "sort": "Sort",
    "sort-share": "largest first",
    "sort-small": "smallest first",
    "sort-name": "by name",
    "sort-outliers": "most outliers first",
    "sort-readable": "easiest to read first",
    "sort-unreadable": "hardest to read first",
    "sort-number": "by number",
    "selected-cards": "Selected cards",
    "name": "Name",
    "merge": "Merge",
    "mark": "Mark as outliers",
    "unchoose": "Select none",
    "clusterings-of": "Clusterings of {name}",
    "indices-of": "Indices of the clusterings of {name}",
    "about-clusterings": "All that were measured. Larger is better but for Davies-Bouldin; the "
    "line of the clustering that is shown is marked.",
    "clustering": "clustering",
    "simplified": "simplified",
    "separated": "set off",
    "smallest": "smallest",
    "largest": "largest",
    "noise": "noise",
    "none-measured": "None is measured: <code>streamclust cluster OUT</code>, then "
    "<code>streamclust measure OUT</code>.",
    "pictures-of": "Pictures of {name}",
    "last-drawn": "As <code>streamclust export</code> and <code>layout</code> last drew them.",
    "no-pictures": "There are none: <code>streamclust export OUT</code> draws them, "
    "<code>streamclust layout OUT</code> lays all rows out.",
    "about-outliers": "Each comes with the reason: what of its picture is not usual, or that "
    "nothing but its descriptor is. <code>outliers.csv</code> and "
    "<code>outlier_reasons.csv</code> list all.",
    "no-outliers": "Outliers were not looked for, or not since the sets changed: "
    "<code>streamclust outliers OUT</code>, then <code>streamclust report OUT</code>.",
    "comparison": "Sets compared",
    "last-compared": "As <code>streamclust compare</code> last told it.",
    "not-compared": "The sets were not compared: <code>streamclust compare OUT --attributes "
    "TABLE.csv</code> does, <code>streamclust mix OUT --sets A,B</code> mixes them; then "
    "<code>streamclust report OUT</code>.",
    "methods": "Methods and caveats",
    "method-rows": "All rows were clustered, not a sample; the map shows a uniform sample of at "
    "most {points} rows a set, and images are small copies of a few rows.",
    "method-clusters": "A clustering always gives clusters. Where stability is low or few clusters "
    "are set off from their neighbours, their borders are arbitrary: other numbers of clusters may "
    "serve as well.",
    "method-indices": "Indices such as silhouette, Davies-Bouldin and Calinski-Harabasz compare "
    "clusterings of one set. Sets differ in their spaces: compare them by what is known of the "
    "images, by readability, or on the same rows, columns and clusters.",
    "method-maps": "Maps by UMAP keep neighbourhoods; distances between islands, their sizes and "
    "densities mean nothing. Discriminant axes show clusters apart, even where there are none.",
    "method-sentences": "Sentences tell what differs significantly in the images that were looked "
    "at; suggested names are made of them. Whether they are right is for you to see.",
    "method-outliers": "An outlier is an image unlike all others, by a threshold in the tail of "
    "the scores: a bad picture, or a rare and good one.",
    "method-names": "Names are kept in this browser, if it allows that, until the clusters are "
    "computed anew. They come into the results by <code>names.csv</code> and <code>streamclust "
    "label OUT --names names.csv</code> only.",
    "left-out": "Figures that would have made the page too large, in the folder figures: {files}.",
    "footer": "Written by <code>streamclust report</code>. This page asks nothing of any network.",
}

TOLD = {
    "title": "Clusters of {folder}",
    "folder": "Results folder",
    "images": "Images",
    "rows": "{n} rows of descriptors, one an image",
    "sets": "Descriptor sets",
    "mixed": ", {n} of them mixed of the others",
    "pictures": "Pictures",
    "no-paths": "no list of image paths was given: rows are told by their number",
    "no-images": "not there: the page shows paths only",
    "images-from": "from {name}",
    "outliers": "Outliers",
    "flagged": "{n} images flagged ({share}), by {sets}",
    "accuracy": "Right names",
    "audited": "{clustering}: {estimate} of {rows} named rows (95 % interval {low} to {high}), by "
    "{asked} answers",
    "invalid": "{columns} {dtype}, {rows} invalid",
    "prepared": "Prepared",
    "how-prepared": "scaled {scaling}, then principal components: {components}",
    "of-variance": "{share} of the variance",
    "clustered": "Clustered",
    "how-clustered": "by {algorithms}; number of clusters: {k}",
    "seed": "Seed",
    "made-by": "Made by",
    "readable-one": "{names} has the clusters that are easiest to read (readability {value}).",
    "readable-many": "{names} have the clusters that are easiest to read (readability {value}).",
    "how-flagged": "{n} of {rows} rows ({share}) are flagged",
    "worst": "The worst",
    "sheet": "{title}: {images}",
    "highest": "the {n} of highest score",
    "usual": "{kind}: {measure} {value}, usual {low} to {high}",
    "no-score": "no score",
    "row": "row {row}",
    "compared": "The sets: their recommended clusterings, and from “rows” on all sets with the "
    "same rows, columns and clusters, which are the only ones to compare",
    "mixing": "Mixed sets against the best of the sets that they are mixed of; a gain above 0 "
    "favours the mixture",
    "known": "Agreement of the recommended clusterings with what is known of the images (adjusted "
    "mutual information: 0 by chance, 1 where they are the same)",
}

SCRIPT = {
    "rows-shown": "All {rows}, by {axis}, coloured by cluster.",
    "rows-drawn": "{rows} drawn by chance, by {axis}, coloured by cluster.",
    "beyond": "Beyond the edges: {n}.",
    "two-components": "first two components",
    "none": "none",
    "recommended": "recommended",
    "no-cards": "no cards",
    "no-clustering": "no clustering",
    "cluster": "cluster {cluster}",
    "cluster-named": "cluster {cluster}, {name}",
    "in-none": "in no cluster",
    "row": "row {row}",
    "selected": "Selected: {paths}",
    "nothing-selected": "Nothing is selected.",
    "copied": "Copied: {paths}.",
    "copy-by-hand": "Copying is not allowed here: the paths are selected, press Ctrl+C.",
    "zoomed": "Zoom {share}",
    "Cluster": "Cluster {cluster}",
    "select": "select",
    "name-it": "name it",
    "name-of": "Name of cluster {cluster}",
    "called": "Cluster {cluster} is called {name}.",
    "nameless": "Cluster {cluster} has no name.",
    "marked": "Outliers: marked",
    "mark": "Mark as outliers",
    "mark-of": "Cluster {cluster}: outliers",
    "now-marked": "Cluster {cluster} is now marked as outliers.",
    "not-marked": "Cluster {cluster} is no longer marked as outliers.",
    "of-rows": "{share} of the rows ({size})",
    "share-outliers": "{share} outliers",
    "readability": "readability {value}",
    "merged-with": "merged with {clusters}",
    "nearest": "nearest: cluster {cluster}",
    "typical": "typical",
    "varied": "varied",
    "borderline": "at the border",
    "by chance": "some, by chance",
    "n-selected": "{n} selected ({share})",
    "name-merged": "Give the merged clusters a name.",
    "merged": "{n} clusters are merged as {name}.",
    "marked-many": "{n} clusters are marked as outliers.",
    "nothing-to-save": "There is nothing to save: this clustering has no cards.",
    "saved": "names.csv with {n} clusters: streamclust label OUT --names names.csv",
    "undone": "Undone.",
    "not-clustered": "This set is not clustered: run “streamclust cluster OUT” and “streamclust "
    "measure OUT”, then “streamclust report OUT”.",
    "hint-no-cards": "There are no cards of {name}: run “{command}”, then “streamclust report "
    "OUT”.",
    "not-described": "These clusters are not described yet: “{command}” tells what sets each "
    "apart, and which images are typical; then run “streamclust report OUT”.",
    "largest-only": "The {n} largest of {k} clusters have a card.",
    "no-card-fits": "No card fits the filter.",
    "silhouette": "silhouette",
    "silhouette_simplified": "simplified silhouette",
    "davies_bouldin": "Davies-Bouldin (smaller is better)",
    "calinski_harabasz": "Calinski-Harabasz",
    "stability": "stability",
    "gap": "gap to structureless data",
    "separated": "clusters set off from their neighbours",
    "consensus": "agreement with the labels that are mixed",
    "curve-label": "{index} over the number of clusters, {name}",
    "value": "{algorithm}, k = {k}: {value}",
    "interval": "{value} ({low} to {high})",
    "clusters-axis": "number of clusters",
    "shown-now": "{name} is shown.",
}

PLURALS = {
    "set": ("set", "sets"),
    "image": ("image", "images"),
    "row": ("row", "rows"),
    "path": ("path", "paths"),
}

NAMES = {
    "none": "as they are",
    "center": "less their mean",
    "standard": "each column by its standard deviation",
    "l2": "each row to unit length",
    "about unusual content": "nothing but the descriptors tells: no other image is like these",
    "about missing image": "the image is not where its path says",
    "about damaged image": "the image file cannot be read",
    "about image too large": "the image has more pixels or scans than are read",
    "about unsupported image": "the format or the packing of the image is not read here",
    "about invalid descriptor": "the descriptor holds values that are no numbers",
    "same_rows": "rows",
    "same_columns": "columns",
    "n_clusters": "clusters",
    "same_n_clusters": "clusters ",
    "same_silhouette_simplified": "silhouette, simplified",
    "davies_bouldin": "Davies-Bouldin",
    "same_davies_bouldin": "Davies-Bouldin",
    "same_calinski_harabasz": "Calinski-Harabasz",
    "mixed_set": "mixed set",
    "mixed": "of the mixture",
    "best_set": "best of its sets",
    "best": "of that",
    "measure ami": "adjusted mutual information",
    "measure same_silhouette_simplified": "silhouette on the same k and columns",
    "measure same_gap": "gap on the same k and columns",
}


def plural(number: int) -> int:
    """One image, two images."""
    return 0 if number == 1 else 1


def percent(share: float) -> str:
    """``0.126`` as ``13 %``, small shares with a digit more."""
    return f"{100 * share:.1f} %" if 0 < share < 0.095 else f"{100 * share:.0f} %"
