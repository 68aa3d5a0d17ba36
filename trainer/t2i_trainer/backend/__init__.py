"""The SDK's backend `pytorch`: what runs in its child process, which src/backends/pytorch/ starts."""
