from .writing import make_case as make_case
