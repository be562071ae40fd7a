from .describe_clusters import chosen_clusterings as chosen_clusterings
from .describe_clusters import describe_clusterings as describe_clusterings
from .examples import cluster_sheet as cluster_sheet
from .findings import LEAST_BAD as LEAST_BAD
from .findings import RARE_LIFT as RARE_LIFT
from .sentences import cluster_texts as cluster_texts
from .sentences import write_descriptions as write_descriptions
