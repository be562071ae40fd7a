"""Reasons and warnings of a choice in Russian: patterns of the English, and their words."""

PHRASES = [
    (r"is the only one computed", "— единственное вычисленное"),
    (r"is the only one that is not refused", "— единственное, что не отвергнуто"),
    (
        r"agrees best with the labels that it mixes \(mean AMI (\S+)\)",
        r"лучше всего согласуется со смешанными метками (средняя AMI \1)",
    ),
    (
        r"has the most separated clusters: (\d+) of its (\d+)",
        r"обособленных больше всего: \1 из \2",
    ),
    (
        r"is nearest to a rough count of groups that overlap: (\d+) by a Gaussian mixture",
        r"ближе всего к грубому числу перекрывающихся групп: \1 по гауссовой смеси",
    ),
    (r"has the largest simplified silhouette", "наибольший упрощённый силуэт"),
    (r"; runner-up: (k = \d+), which", r"; следующее: \1:"),
    (
        r"of the indices, each alone, (.*) would take about (k = \d+) \((.*)\)",
        r"из показателей, каждый сам по себе, около \2 взяли бы: \1 (\3)",
    ),
    (
        r"Calinski-Harabasz falls with every further cluster(?: from (k = \d+) on)?: it says "
        r"nothing about k",
        "Калински — Харабаш падает с каждым новым кластером: о k он ничего не говорит",
    ),
    (
        r"two halves of the rows agree on its labels to (\S+) \(adjusted Rand\)",
        r"две половины строк согласны в метках на \1 (скорректированный индекс Рэнда)",
    ),
    (
        r"its labels are not stable: two halves of the rows agree on them to (\S+) \(adjusted "
        r"Rand\), other rows would give others",
        r"метки неустойчивы: две половины строк согласны на \1 (скорректированный индекс Рэнда), "
        r"другие строки дали бы другие",
    ),
    (
        r"(\S+) is taken of the algorithms, compared at the same k: ",
        r"из алгоритмов взят \1; сравнение при одном k: ",
    ),
    (r"its silhouette is larger than that of ", "силуэт больше, чем у "),
    (r"its silhouette is smaller than that of ", "силуэт меньше, чем у "),
    (r"as large, within intervals, as that of ", "в пределах интервалов такой же, как у "),
    (r"balance (\S+) to ", r"равномерность \1 против "),
    (r"stability (\S+) to ", r"устойчивость \1 против "),
    (r"stability not known", "устойчивость неизвестна"),
    (r"balance not known", "равномерность неизвестна"),
    (r"\((\d\.\d+) to (\d\.\d+)\)", r"(\1 против \2)"),
    (r": a cluster above (\S+) of the rows", r": есть кластер более \1 строк"),
    (
        r": clusters below (\S+) of the rows \(outliers\?\)",
        r": есть кластеры менее \1 строк (выбросы?)",
    ),
    (r": more than (\S+) of the rows are noise", r": более \1 строк — шум"),
    (r": fewer than two clusters", ": меньше двух кластеров"),
    (r", refused as degenerate", ", отвергнуто как вырожденное"),
    (r"no clustering is recommended", "ни одна кластеризация не рекомендуется"),
    (
        r"no structure: .* divide rows, they find no groups",
        "структуры нет: кластеры не обособлены друг от друга, и ни один из тех, что повторились бы "
        "на других строках, не плотнее, чем в данных без структуры; рекомендуемые метки делят "
        "строки, но групп не находят",
    ),
    (
        r"(?:only (\d+)|none) of the (\d+) clusters are set off from their neighbours: groups "
        r"overlap, and other k may serve as well",
        r"обособлены от соседей немногие из \2 кластеров (\1): группы перекрываются, и другое k "
        r"может быть не хуже",
    ),
    (r" \(\): группы", ", точнее ни один: группы"),
    (
        r"k = 2 is the least there can be: look at the runner-up, too",
        "k = 2 — меньше не бывает: посмотрите и на следующее",
    ),
    (r"lies at the lower end of the sweep: widen", "лежит на нижнем краю перебора: расширьте"),
    (r"lies at the upper end of the sweep: widen", "лежит на верхнем краю перебора: расширьте"),
    (
        r"is the (?:least|largest) that is not refused: a better one may be among the refused",
        "— крайнее из неотвергнутых: лучшее может быть среди отвергнутых",
    ),
    (r"simplified silhouette", "упрощённый силуэт"),
    (r"silhouette", "силуэт"),
    (r"stability", "устойчивость"),
    (r"Davies-Bouldin", "Дэвис — Болдин"),
    (r"Calinski-Harabasz", "Калински — Харабаш"),
    (r"взяли бы: none", "не взял бы ни один"),
]
