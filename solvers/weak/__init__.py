"""Weak forms that users write: read as text, checked, compiled in a child process, and assembled."""
