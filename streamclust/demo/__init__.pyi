from .demo_case import make_case as make_case
