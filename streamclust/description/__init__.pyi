from .findings import LEAST_BAD as LEAST_BAD
from .findings import RARE_LIFT as RARE_LIFT
from .image_sheet import cluster_sheet as cluster_sheet
from .sentences import cluster_texts as cluster_texts
from .step import chosen_clusterings as chosen_clusterings
from .step import describe_clusterings as describe_clusterings
from .tables import write_descriptions as write_descriptions
