"""Single cards, activations and balance loads."""
