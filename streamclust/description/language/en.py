"""English."""

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
PLURALS = {
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


def plural(number: int) -> int:
    """One image, two images."""
    return 0 if number == 1 else 1


def percent(share: float) -> str:
    """``0.126`` as ``13 %``, small shares with a digit more."""
    return f"{100 * share:.1f} %" if 0 < share < 0.095 else f"{100 * share:.0f} %"
