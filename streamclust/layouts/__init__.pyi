from .base import RowSums as RowSums
from .base import load_layout as load_layout
from .lay_out_rows import SAMPLED_ROWS as SAMPLED_ROWS
from .lay_out_rows import layout as layout
from .lay_out_rows import layout_quality as layout_quality
from .plots import draw_layouts as draw_layouts
from .umap import LandmarkMap as LandmarkMap
