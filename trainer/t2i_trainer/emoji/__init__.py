"""The default model's data: images composed from emoji, their captions, and what is asked about them."""
