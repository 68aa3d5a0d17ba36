"""Fine-tunes the autoencoder of a project on its images."""
