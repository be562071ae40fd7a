from .case import make_case as make_case
