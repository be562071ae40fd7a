from .overview import case_html as case_html
from .pictures import Picture as Picture
from .pictures import Pictures as Pictures
from .tables import stored_table as stored_table
from .tables import table_file as table_file
