from .contents import in_line as in_line
from .contents import inventory as inventory
from .step import report as report
