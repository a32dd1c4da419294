"""A "forbidden" contract for import-linter that may name modules which are not built yet."""

from grimp import ImportGraph
from importlinter import ContractCheck
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.domain.imports import ModuleExpression


class ForbiddenIfBuilt(ForbiddenContract):
    """Like "forbidden", but a rule about a missing module waits for it in silence.

    The library refuses a contract that names a missing module. The import rules name the whole design, whose rooms are
    built one after the other; `tests/unit/test_import_rules.py` catches a misspelt name instead.
    """

    type_name = "forbidden_if_built"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        # The library's base class replaces each declared field by its parsed value under the same name.
        self.source_modules = _built(self.source_modules, graph)  # type: ignore[assignment, arg-type]
        self.forbidden_modules = _built(self.forbidden_modules, graph)  # type: ignore[assignment, arg-type]
        return super().check(graph, verbose)


def _built(expressions: set[ModuleExpression], graph: ImportGraph) -> set[ModuleExpression]:
    return {
        expression
        for expression in expressions
        if expression.has_wildcard_expression() or expression.expression in graph.modules
    }
