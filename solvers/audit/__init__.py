"""Labels measured against the continuous equation, by random walks that use the label as control variate."""

from pdemill.solvers.audit.auditor import Auditor
from pdemill.solvers.audit.labels import audit_labels
from pdemill.solvers.audit.verdict import Verdict

__all__ = ["Auditor", "Verdict", "audit_labels"]
