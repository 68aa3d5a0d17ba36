"""What the SDK's tests are held against: vectors by diffusers, tiny models."""
