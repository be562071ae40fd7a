"""Russian."""

COLOURS = {
    "white": "белый",
    "silver": "серебристый",
    "grey": "серый",
    "black": "чёрный",
    "red": "красный",
    "orange": "оранжевый",
    "yellow": "жёлтый",
    "green": "зелёный",
    "blue": "синий",
    "purple": "фиолетовый",
    "pink": "розовый",
    "brown": "коричневый",
    "beige": "бежевый",
}
MEASURES = {
    ("brightness", "higher"): ("светлее", "светлый"),
    ("brightness", "lower"): ("темнее", "тёмный"),
    ("contrast", "higher"): ("контрастнее", "контрастный"),
    ("contrast", "lower"): ("бледнее", "бледный"),
    ("detail", "higher"): ("резче", "резкий"),
    ("detail", "lower"): ("мягче", "нерезкий"),
    ("size", "higher"): ("крупнее", "крупный"),
    ("size", "lower"): ("мельче", "мелкий"),
    ("aspect", "higher"): ("шире относительно высоты", "широкий"),
    ("aspect", "lower"): ("выше относительно ширины", "высокий"),
}
PICTURES = {
    "dark": ("слишком тёмные, чтобы что-то разглядеть", "ночной"),
    "glare": ("засвечены", "засвеченный"),
    "blank": ("пустые", "пустой"),
    "blur": ("размыты", "размытый"),
    "odd size": ("необычного размера", "необычный размер"),
}
# After «из»: из 1 изображения, из 2 изображений, из 5 изображений.
PLURALS = {
    "image": ("просмотренного изображения", *["просмотренных изображений"] * 2),
    "folder": ("папки", "папок", "папок"),
    "row": ("известной строки", *["известных строк"] * 2),
}
OR, AND = " или ", ", и "
CLUSTER = "кластер {cluster}"
SENTENCES = {
    "colour": "преобладает {value} цвет ({inside} из {n} {images}, у остальных {outside})",
    "measure": "{value}, чем {chance}",
    "measures": "{listed} остальных изображений",
    "picture": "{inside} изображений {value} (у остальных {outside})",
    "known": " из {n} {rows}",
    "attribute": "{name}: {value} — {inside}{known}, у остальных {outside}",
    "absent": "{name}: {value} почти не встречается ({inside}{known}, у остальных {outside})",
    "outliers": "{inside} строк отмечены как выбросы (у остальных {outside})",
    "folders": "из {n} {folders}, представленных здесь, {inside} лежат внутри целиком (у "
    "остальных {outside})",
    "set": "{inside} строк — в кластере {value} набора {name} (у остальных {outside})",
    "nearest": "ближайший — {other}",
    "apart-colour": "здесь {value} цвет у {inside}, там у {outside}",
    "apart-measure": "здесь изображения {value}",
    "apart-attribute": "здесь {name}: {value} в {inside} случаев, там в {outside}",
    "nothing": "ничто из измеренного не отличает эти изображения от остальных",
}


def plural(number: int) -> int:
    """1, 21, 31 … ; 2–4, 22–24 … ; all others, 11–14 among them."""
    if number % 10 == 1 and number % 100 != 11:
        return 0
    if 2 <= number % 10 <= 4 and not 12 <= number % 100 <= 14:
        return 1
    return 2


def percent(share: float) -> str:
    """``0.126`` as ``13 %``, small shares with a digit more."""
    text = f"{100 * share:.1f} %" if 0 < share < 0.095 else f"{100 * share:.0f} %"
    return text.replace(".", ",")
