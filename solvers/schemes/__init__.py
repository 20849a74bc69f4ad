"""How discrete equations are solved, one file each: at once, or in iterations and steps."""
