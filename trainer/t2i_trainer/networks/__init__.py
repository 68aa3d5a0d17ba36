"""The networks: text encoder, denoiser, autoencoder."""
