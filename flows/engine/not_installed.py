"""What is said where an engine is asked for whose packages are not there."""

from components.domain import ContractBroken


def not_installed(error: ImportError) -> ContractBroken:
    """One line that names the package."""
    return ContractBroken(
        f"engine.name is 'ray' and {error.name} is not installed; install evercurrent[ray], or set it to 'local'"
    )
