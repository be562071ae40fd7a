from .contents import in_line as in_line
from .contents import inventory as inventory
from .write_report import report as report
