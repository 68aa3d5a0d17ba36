"""Images from a run, and what can be measured on them."""
