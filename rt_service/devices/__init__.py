"""What is known of devices, and questions to them that wait for an answer."""
