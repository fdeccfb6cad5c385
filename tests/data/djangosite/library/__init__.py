"""Books, their covers, and views that stream."""
