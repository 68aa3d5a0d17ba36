"""What training loops are made of."""
