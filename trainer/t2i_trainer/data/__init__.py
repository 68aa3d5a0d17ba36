"""The data of a project: images with captions, and what is computed from them ahead of training."""
