"""Profile: what the search must know of a network on real images before it scores anything."""

from hawx.profile.operands import Distribution, Operands, activation_counts, profile_operands, weight_distributions

__all__ = ["Distribution", "Operands", "activation_counts", "profile_operands", "weight_distributions"]
