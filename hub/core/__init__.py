"""The use cases: one method, one public operation, the same for all three protocols."""
