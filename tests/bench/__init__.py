"""What is fast: each part measures the portal and a floor in the same run."""
