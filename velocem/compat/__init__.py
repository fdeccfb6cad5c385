"""Faces of other packages upon what Velocem has, for those who move by changing an import."""
