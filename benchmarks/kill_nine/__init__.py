"""What kill -9 costs: this pipeline and the publishers that it replaces, under the same kills."""
