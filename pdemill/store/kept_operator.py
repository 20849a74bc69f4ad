"""The names of the arrays that hold the operators of samples, where a store keeps them."""

OPERATOR, RHS = "operator", "rhs"
"""In every split: the values of A [sample, entry], and b [sample, row]."""
INDPTR, INDICES, UNKNOWNS = "operator_indptr", "operator_indices", "operator_unknowns"
"""At the root: the pattern of A as scipy.sparse.csr_array has it; where the unknowns stand among the values of u."""
