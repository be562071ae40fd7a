from .base import RowSums as RowSums
from .base import load_layout as load_layout
from .pictures import draw_layouts as draw_layouts
from .step import SAMPLED_ROWS as SAMPLED_ROWS
from .step import layout as layout
from .step import layout_quality as layout_quality
from .umap import LandmarkMap as LandmarkMap
