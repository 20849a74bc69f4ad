"""Where equations are solved, one file each: boxes, triangle meshes, points."""
