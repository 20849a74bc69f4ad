"""What is cut out of boxes: one file per kind of obstacle."""
