"""Profile: what the search must know of a network on real images before it scores anything."""

from hawx.profile.operands import Distribution, OperandProfile, activation_counts, profile_operands, weight_distributions

__all__ = ["Distribution", "OperandProfile", "activation_counts", "profile_operands", "weight_distributions"]
