"""A project's training as a job in containers, by the contract of Amazon SageMaker."""
