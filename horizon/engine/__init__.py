"""One pure core and the shells that drive it: live, replay, and the comparison of the two."""
