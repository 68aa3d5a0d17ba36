"""From PyTorch to ONNX and back, and the gate between them."""
