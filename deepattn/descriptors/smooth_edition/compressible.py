"""Sentences about models that cannot be compressed."""

DISTILL = "distill it into a model that can be compressed (docs/distillation.md)"
NOT_AGAIN = f"the model is already compressed; use the original model, or {DISTILL}"
