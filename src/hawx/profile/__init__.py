"""Profile: what the search must know of a network on real images before it scores anything."""

from hawx.profile.operands import (
    ArrivingOperands,
    Distribution,
    OperandProfile,
    activation_counts,
    arriving_operands,
    profile_operands,
    weight_distributions,
)

__all__ = [
    "ArrivingOperands",
    "Distribution",
    "OperandProfile",
    "activation_counts",
    "arriving_operands",
    "profile_operands",
    "weight_distributions",
]
