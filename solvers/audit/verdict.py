"""From differences at probes to an error, its interval, and whether a label disagrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri, stdtrit

from pdemill.points import Array

CONFIDENCE = 0.95
FALSE_ALARM = 1e-6
"""How often a label within the tolerance is flagged, at most; half of it for each of the two tests."""


@dataclass(frozen=True)
class Verdict:
    """The result of an audit of one label.

    error        rms of the label's error over the probes, the noise of the walks taken off, relative to ``size``
    interval     half the width of a 95 % interval of the rms error over all places, relative to ``size``
    size         rms of the label over all places (1 where the label is 0)
    differences  label - u at the probes, [P]
    stderr       their standard errors, [P]
    complaint    why the label is flagged; empty where it is not
    """

    error: float
    interval: float
    size: float
    differences: Array
    stderr: Array
    complaint: str

    @property
    def flagged(self) -> bool:
        return bool(self.complaint)


def judge(differences: Array, stderr: Array, size: float, walks: int, tolerance: float) -> Verdict:
    """Compare a label with u at probes drawn uniformly; ``tolerance`` is relative to ``size``, as the results are.

    With q_i = d_i² - s_i², whose expectation is the label's mean square error m, and w = t · std(q) / √P with Student's
    t of P - 1 degrees for 95 %, m is within mean(q) ± w: both the walks and the choice of the places are in it. The
    error is √max(mean(q), 0), and the interval reaches from it to the further of the two ends' roots.
    """
    size = size if size > 0 else 1.0
    squares = differences**2 - stderr**2
    mean = max(float(squares.mean()), 0.0)
    width = _student(len(squares) - 1, (1 - CONFIDENCE) / 2) * float(squares.std(ddof=1)) / np.sqrt(len(squares))
    error = np.sqrt(mean)
    interval = max(error - np.sqrt(max(mean - width, 0.0)), np.sqrt(mean + width) - error)
    complaint = _complaint(differences / size, stderr / size, walks, tolerance)
    return Verdict(float(error / size), float(interval / size), size, differences, stderr, complaint)


def _complaint(d: Array, s: Array, walks: int, tolerance: float) -> str:
    """Why a label disagrees: at one probe, or at all of them together; empty where it does not.

    A label within the tolerance everywhere has excess max(|d| - tolerance, 0) / s below |N(0, 1)| at every probe, so
    that the largest and the sum of squares have known upper quantiles (Bonferroni; chi-square).
    """
    excess = np.maximum(np.abs(d) - tolerance, 0.0) / np.maximum(s, np.finfo(float).tiny)
    limit = _student(walks - 1, FALSE_ALARM / 4 / len(d))
    worst = int(excess.argmax())
    figures = (
        f"off by {abs(d[worst]):.1e} of its rms at a probe, standard error {s[worst]:.1e}; rms over {len(d)} probes "
        f"{np.sqrt(np.mean(d**2)):.1e}, tolerance {tolerance:.1e}"
    )
    return figures if excess[worst] > limit or (excess**2).sum() > chdtri(len(d), FALSE_ALARM / 2) else ""


def _student(degrees: int, tail: float) -> float:
    """The number that Student's t exceeds with probability ``tail``."""
    return float(-stdtrit(degrees, tail))
