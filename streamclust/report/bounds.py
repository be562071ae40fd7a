"""How much the page holds at most, whatever the number of rows: `PAGE_BYTES` in all."""

PAGE_BYTES = 30_000_000

# Characters of base64.
FIGURE_BYTES = 10_000_000
THUMBNAIL_BYTES = 9_000_000
# Of the points' labels in the clusterings; those of the recommended and described ones come
# before, and clusterings without labels have no cards.
LABEL_BYTES = 4_000_000
# Of the paths of the points that can be selected, and as much of those on cards: there are fewer
# where paths are long.
PATH_BYTES = 1_500_000

# Sets that are shown beyond the table of all, and clusterings of each with what was described.
SETS = 12
CLUSTERINGS = 2
# Clusters of a clustering with a card, the largest; with images on it; and images of each kind.
CARDS = 100
GALLERIES = 40
IMAGES = 4
# Without a description, images by chance.
BY_CHANCE = 8
TEXT_CHARACTERS = 800

POINTS = 5_000
LAYOUTS = 4
# Images of points, beyond those of cards and outliers, for the pointer to show.
POINT_IMAGES = 300
THUMBNAIL_PIXELS = 128
THUMBNAILS = 2_400

# Outliers shown: the worst, and the worst of each kind.
WORST = 24
WORST_OF_KIND = 8
# Lines of a table, and characters of a cell.
LINES = 100
CLUSTERING_LINES = 300
CELL_CHARACTERS = 80
COMPARISON_FIGURES = 6
