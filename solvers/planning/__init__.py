"""Choosing a method for a job: candidates, a trial on the job's own samples, a choice."""
