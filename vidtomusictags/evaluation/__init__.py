"""Whether tags are right: data sets with labels, runs over them, what they score, and how to set confidence right."""
