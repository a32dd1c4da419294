"""The venues: one package for each, all with the same modules."""

__all__: list[str] = []
